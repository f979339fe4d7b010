"""Measurements beside other queues. They print figures and assert nothing about time."""
