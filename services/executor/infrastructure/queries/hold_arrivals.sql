-- Wait for AcceptJobs calls that have looked at the tombstones, and make later ones wait for this transaction.
LOCK TABLE tombstone IN EXCLUSIVE MODE
