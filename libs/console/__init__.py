"""The `whatlead` command: starts the system, and is a client of its public API. Knows no service's code or tables."""
