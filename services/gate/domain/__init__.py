"""What the gate knows about messages, limits and numbers. Pure: no wire, store, clock or randomness."""
