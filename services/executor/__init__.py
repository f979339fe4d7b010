"""The executor sends: it owns execution jobs, their attempts, the provider adapters and the providers' webhooks.

It refuses to know why an intent was approved. It asks control before each round of sends and obeys; it never decides
that something may go out, and what it cannot send in time it gives back to the gate.
"""
