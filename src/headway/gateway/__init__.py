"""The server: OpenAI's and Anthropic's wires through Headway's policies, at a proxy's cost."""
