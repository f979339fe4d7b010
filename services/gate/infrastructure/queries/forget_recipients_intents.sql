-- What is left of a person's intents are ids, times and decisions. The executor may have refused some: those hold it all.
WITH forgotten AS (
    UPDATE intent
    SET number_hash = NULL,
        recipient_id = NULL,
        sealed = '',
        content_digest = '',
        content_hash = ''
    WHERE organization_id = :organization_id
      AND number_hash = :number_hash
    RETURNING intent_id
),
refused AS (
    DELETE FROM outbox_refused
    USING forgotten
    WHERE outbox_refused.receiver = 'executor'
      AND outbox_refused.item_id = CAST(forgotten.intent_id AS text)
)
SELECT intent_id
FROM forgotten
