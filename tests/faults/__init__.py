"""The kill switch on real processes that are killed, stopped and cut off, and a checker that says whether it held."""
