SELECT
    found.organization_id,
    found.intent_id,
    found.request_id,
    found.content_hash,
    found.campaign_id,
    found.asked_instance_id,
    found.category,
    found.reference,
    found.hold_if_paused,
    found.expire_time,
    found.number_hash,
    found.recipient_id,
    found.content_digest,
    found.sealed,
    found.traceparent,
    found.state,
    found.sequence,
    found.decision_number,
    found.instance_id,
    found.slot_at,
    found.slot_before,
    found.slot_after,
    found.reason
FROM unnest(CAST(:organization_ids AS text[]), CAST(:intent_ids AS uuid[])) WITH ORDINALITY
    AS given (organization_id, intent_id, place)
CROSS JOIN LATERAL (
    SELECT intent.*
    FROM intent
    WHERE intent.organization_id = given.organization_id
      AND intent.intent_id = given.intent_id
    LIMIT 1
) AS found
ORDER BY given.place
