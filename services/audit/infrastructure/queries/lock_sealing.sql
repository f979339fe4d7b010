-- One sealer at a time, until the end of the transaction. It finds events by index, also those of a partition that was
-- never analyzed: there a plan would rather read all of it.
SELECT
    pg_try_advisory_xact_lock(hashtextextended('audit.seal', 0)) AS locked,
    set_config('enable_seqscan', 'off', true) AS by_index
