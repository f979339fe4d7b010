"""PostgreSQL and the audit service, as control's ports. Knows no rule."""
