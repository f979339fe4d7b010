"""What events mean: lines for people, standings, numbers counted from them. Knows no wire or store."""
