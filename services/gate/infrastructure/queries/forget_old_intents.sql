-- Forget the next intents, in the order of their ids, and note how far that went: rows once passed are not read again.
WITH old AS (
    SELECT intent_id, number_hash
    FROM intent
    WHERE organization_id = :organization_id
      AND intent_id >= CAST(:after AS uuid)
      AND intent_id < CAST(:floor AS uuid)
    ORDER BY intent_id
    LIMIT :most
),
passed AS (
    INSERT INTO forgotten (organization_id, up_to)
    SELECT
        CAST(:organization_id AS text),
        CASE
            WHEN count(*) < :most THEN CAST(:floor AS uuid)
            ELSE (SELECT intent_id FROM old ORDER BY intent_id DESC LIMIT 1)
        END
    FROM old
    ON CONFLICT (organization_id) DO UPDATE
    SET up_to = EXCLUDED.up_to
)
UPDATE intent
SET number_hash = NULL,
    recipient_id = NULL,
    sealed = '',
    content_digest = '',
    content_hash = ''
FROM old
WHERE intent.organization_id = :organization_id
  AND intent.intent_id = old.intent_id
RETURNING old.number_hash
