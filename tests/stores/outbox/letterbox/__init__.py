"""A service for the tests of the outbox: it owns letters and an outbox."""
