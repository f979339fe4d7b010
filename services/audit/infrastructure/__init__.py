"""Where audit meets PostgreSQL and the wire. Decides nothing about what events mean."""
