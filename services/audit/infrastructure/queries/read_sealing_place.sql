-- Where sealing stands: the last leaf's place in the order, and the oldest transaction that may still be running.
SELECT
    coalesce(last_leaf.position + 1, 0) AS size,
    coalesce(last_leaf.transaction_id, 0) AS transaction_id,
    coalesce(last_leaf.event_id, '00000000-0000-0000-0000-000000000000') AS event_id,
    CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) AS horizon
FROM (SELECT 1) AS always
LEFT JOIN (
    SELECT position, transaction_id, event_id FROM evidence_leaf ORDER BY position DESC LIMIT 1
) AS last_leaf ON true
