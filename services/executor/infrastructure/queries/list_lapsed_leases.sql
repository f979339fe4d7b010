-- Leases that have lapsed, locked for the one who sees to their jobs.
SELECT lease.token
FROM lease
WHERE lease.lease_until <= statement_timestamp()
ORDER BY lease.lease_until
LIMIT :leases
FOR UPDATE SKIP LOCKED
