WITH found AS (
    SELECT recipient.number_hash, recipient.recipient_id, recipient.suppressed_at, recipient.suppressed_by,
        recipient.suppression_reason
    FROM recipient
    WHERE recipient.organization_id = CAST(:organization_id AS text)
      AND recipient.number_hash = ANY(CAST(:number_hashes AS bytea[]))
      AND recipient.suppressed_at IS NOT NULL
),
recorded AS (
    INSERT INTO lifted_suppression (
        organization_id, recipient_id, suppressed_at, suppressed_by, suppression_reason, lifted_at, lifted_by, lift_reason
    )
    SELECT
        CAST(:organization_id AS text),
        recipient_id,
        suppressed_at,
        suppressed_by,
        suppression_reason,
        CAST(:at AS timestamptz),
        CAST(:by AS text),
        CAST(:reason AS text)
    FROM found
)
UPDATE recipient
SET suppressed_at = NULL,
    suppressed_by = NULL,
    suppression_reason = NULL
FROM found
WHERE recipient.organization_id = CAST(:organization_id AS text)
  AND recipient.number_hash = found.number_hash
