-- One sealer at a time, until the end of the transaction.
SELECT pg_try_advisory_xact_lock(hashtextextended('audit.seal', 0)) AS locked
