"""The gate's use cases and what they need from outside. Knows neither wire nor store nor tracer."""
