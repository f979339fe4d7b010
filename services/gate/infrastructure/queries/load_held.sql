SELECT
    found.organization_id,
    found.intent_id,
    found.request_id,
    found.content_hash,
    found.campaign_id,
    found.asked_instance_id,
    found.category,
    found.utc_offset,
    found.reference,
    found.hold_if_paused,
    found.expire_time,
    found.number_hash,
    found.recipient_id,
    found.content_digest,
    found.sealed,
    found.traceparent,
    found.submitted_at,
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
    SELECT
        intent.organization_id,
        intent.intent_id,
        intent.request_id,
        intent.content_hash,
        intent.campaign_id,
        intent.asked_instance_id,
        intent.category,
        intent.utc_offset,
        intent.reference,
        intent.hold_if_paused,
        intent.expire_time,
        intent.number_hash,
        intent.recipient_id,
        intent.content_digest,
        intent.sealed,
        intent.traceparent,
        intent.submitted_at,
        intent.state,
        intent.sequence,
        intent.decision_number,
        intent.instance_id,
        intent.slot_at,
        intent.slot_before,
        intent.slot_after,
        intent.reason
    FROM intent
    WHERE intent.organization_id = given.organization_id
      AND intent.intent_id = given.intent_id
    LIMIT 1
) AS found
ORDER BY given.place
