"""What domain code may import: failures, time and identity. Standard library only; knows no wire, store, framework."""
