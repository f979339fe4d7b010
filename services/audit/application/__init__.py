"""The use cases of audit: taking events, telling a life, counting. Knows no wire, driver or framework."""
