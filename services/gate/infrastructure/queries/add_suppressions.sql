INSERT INTO recipient (
    organization_id, number_hash, recipient_id, suppressed_at, suppressed_by, suppression_reason
)
SELECT
    CAST(:organization_id AS text),
    number_hash,
    recipient_id,
    CAST(:at AS timestamptz),
    CAST(:by AS text),
    CAST(:reason AS text)
FROM unnest(CAST(:number_hashes AS bytea[]), CAST(:recipient_ids AS uuid[])) AS given (number_hash, recipient_id)
ORDER BY number_hash
ON CONFLICT (organization_id, number_hash) DO UPDATE
SET suppressed_at = EXCLUDED.suppressed_at,
    suppressed_by = EXCLUDED.suppressed_by,
    suppression_reason = EXCLUDED.suppression_reason
WHERE recipient.suppressed_at IS NULL
