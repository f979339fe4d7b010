"""Where the gate meets PostgreSQL, control, the executor and the wire. Decides nothing."""
