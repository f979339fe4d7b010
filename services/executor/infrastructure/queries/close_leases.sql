-- Forget leases whose jobs have all moved on.
DELETE FROM lease
WHERE lease.token = ANY (CAST(:tokens AS uuid[]))
