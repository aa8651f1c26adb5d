"""The proxy for MCP servers: between a client and a server's process, answering what is known."""
