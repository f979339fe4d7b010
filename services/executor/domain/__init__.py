"""What a job is and how it moves: pure values and functions. Knows no wire, store, provider or clock."""
