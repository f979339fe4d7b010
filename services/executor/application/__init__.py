"""The use cases of the executor over ports. Knows no wire, store, provider or tracer."""
