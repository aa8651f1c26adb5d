"""One file, one policy: what may stand around a call."""
