"""Control halts: it owns the pauses, their versions and their fences, and answers whether a send may begin.

It refuses to know intents and jobs: it may ask how many there are, never which.
"""
