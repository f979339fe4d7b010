-- Live intents with the same recipient, campaign and content; two are enough to find one that is not the asker itself.
SELECT
    given.organization_id,
    given.number_hash,
    given.content_digest,
    found.intent_id
FROM unnest(
    CAST(:organization_ids AS text[]),
    CAST(:number_hashes AS bytea[]),
    CAST(:content_digests AS bytea[]),
    CAST(:since AS uuid[])
) AS given (organization_id, number_hash, content_digest, since)
CROSS JOIN LATERAL (
    SELECT intent.intent_id
    FROM intent
    WHERE intent.organization_id = given.organization_id
      AND intent.number_hash = given.number_hash
      AND intent.intent_id >= given.since
      AND intent.content_digest = given.content_digest
      AND intent.state IN ('QUEUED', 'APPROVED')
      AND NOT intent.failed
    LIMIT 2
) AS found
