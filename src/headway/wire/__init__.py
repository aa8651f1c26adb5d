"""What passes on a wire, without I/O: events, the facts of an exchange, its key, its headers."""
