"""What a pause is, what it covers and when its fence stands. Knows no store, no wire and no loop."""
