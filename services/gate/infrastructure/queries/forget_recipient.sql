-- Only the hash stays, suppressed and under a new id. The id before is the answer. Who was erased before stays as they are,
-- unless something was held of them again.
WITH before AS (
    SELECT recipient_id
    FROM recipient
    WHERE organization_id = CAST(:organization_id AS text)
      AND number_hash = CAST(:number_hash AS bytea)
      AND (CAST(:anew AS boolean) OR suppression_reason IS DISTINCT FROM 'ERASED')
),
past AS (
    DELETE FROM lifted_suppression
    USING before
    WHERE lifted_suppression.organization_id = CAST(:organization_id AS text)
      AND lifted_suppression.recipient_id = before.recipient_id
),
suppressed AS (
    INSERT INTO recipient (
        organization_id, number_hash, recipient_id, suppressed_at, suppressed_by, suppression_reason
    )
    VALUES (
        CAST(:organization_id AS text),
        CAST(:number_hash AS bytea),
        CAST(:recipient_id AS uuid),
        CAST(:at AS timestamptz),
        CAST(:by AS text),
        'ERASED'
    )
    ON CONFLICT (organization_id, number_hash) DO UPDATE
    SET recipient_id = EXCLUDED.recipient_id,
        suppressed_at = EXCLUDED.suppressed_at,
        suppressed_by = EXCLUDED.suppressed_by,
        suppression_reason = EXCLUDED.suppression_reason
    WHERE CAST(:anew AS boolean)
       OR recipient.suppression_reason IS DISTINCT FROM 'ERASED'
)
SELECT recipient_id
FROM before
