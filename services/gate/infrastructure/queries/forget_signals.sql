DELETE FROM signal
WHERE (organization_id, signal_id) IN (
    SELECT organization_id, signal_id
    FROM signal
    WHERE occurred_at < :before
    LIMIT :most
)
