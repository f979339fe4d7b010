-- Oldest first by the key, so that a backlog is read from its front; what others hold or have locked is passed over.
-- How many is written here: a plan for any number would go through the whole table to update them.
WITH due AS MATERIALIZED (
    SELECT parcel_id, octet_length(payload) AS size
    FROM outbox
    WHERE receiver = :receiver
      AND lease_until < now()
    ORDER BY parcel_id
    LIMIT 1000
    FOR UPDATE SKIP LOCKED
),
fitting AS (
    SELECT parcel_id
    FROM (SELECT parcel_id, sum(size) OVER (ORDER BY parcel_id) - size AS before FROM due) AS measured
    WHERE before < CAST(:bytes AS bigint)
)
UPDATE outbox
SET lease_until = now() + CAST(:lease AS interval),
    tries = outbox.tries + 1
FROM fitting
WHERE outbox.receiver = :receiver
  AND outbox.parcel_id = fitting.parcel_id
RETURNING outbox.parcel_id, outbox.payload, outbox.items, outbox.tries
