"""A deterministic simulation of executors and controls: the real use cases on simulated time, stores and network.

It proves the kill switch where real processes cannot: hundreds of pauses among stalls, partitions, restarts and lost
commits, each run repeatable from its seed. It knows the ports of both services and nothing of their infrastructure.
"""
