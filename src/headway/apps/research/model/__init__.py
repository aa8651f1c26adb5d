"""Research with a real model: analysts that ask tools, sections written word by word."""
