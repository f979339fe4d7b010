SELECT known.organization_id, known.number_hash, known.recipient_id, known.suppressed, false AS made
FROM unnest(CAST(:organization_ids AS text[]), CAST(:number_hashes AS bytea[])) AS given (organization_id, number_hash)
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
