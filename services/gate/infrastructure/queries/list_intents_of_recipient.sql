-- All of one person, newest first.
SELECT
    organization_id,
    intent_id,
    request_id,
    content_hash,
    campaign_id,
    asked_instance_id,
    category,
    utc_offset,
    reference,
    hold_if_paused,
    expire_time,
    number_hash,
    recipient_id,
    content_digest,
    sealed,
    traceparent,
    submitted_at,
    state,
    sequence,
    instance_id,
    slot_at,
    slot_before,
    slot_after,
    decision_number,
    outcome,
    reason,
    decided_at,
    decision
FROM intent
WHERE organization_id = :organization_id
  AND number_hash = :number_hash
  AND intent_id < CAST(:before AS uuid)
ORDER BY intent_id DESC
LIMIT :most
