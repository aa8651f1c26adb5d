"""The ``headway`` command: one file per sub-command."""
