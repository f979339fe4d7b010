-- One person is one row; the lock of the organization keeps others from making it at the same time.
WITH given AS (
    SELECT organization_id, number_hash
    FROM unnest(
        CAST(:organization_ids AS text[]), CAST(:number_hashes AS bytea[])
    ) AS given (organization_id, number_hash)
),
found AS (
    SELECT known.organization_id, known.number_hash, known.recipient_id, known.suppressed
    FROM given
    CROSS JOIN LATERAL (
        SELECT
            recipient.organization_id,
            recipient.number_hash,
            recipient.recipient_id,
            recipient.suppressed_at IS NOT NULL AS suppressed
        FROM recipient
        WHERE recipient.organization_id = given.organization_id
          AND recipient.number_hash = given.number_hash
        LIMIT 1
    ) AS known
),
made AS (
    INSERT INTO recipient (organization_id, number_hash, recipient_id)
    SELECT given.organization_id, given.number_hash, gen_random_uuid()
    FROM given
    WHERE NOT EXISTS (
        SELECT 1
        FROM found
        WHERE found.organization_id = given.organization_id
          AND found.number_hash = given.number_hash
    )
    RETURNING organization_id, number_hash, recipient_id
)
SELECT organization_id, number_hash, recipient_id, suppressed, false AS made
FROM found
UNION ALL
SELECT organization_id, number_hash, recipient_id, false, true
FROM made
