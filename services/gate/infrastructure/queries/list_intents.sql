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
  AND intent_id < CAST(:before AS uuid)
  AND (CAST(:campaign_id AS text) = '' OR campaign_id = CAST(:campaign_id AS text))
  AND (CAST(:instance_id AS text) = '' OR COALESCE(NULLIF(instance_id, ''), asked_instance_id) = CAST(:instance_id AS text))
  AND (CAST(:state AS text) = '' OR state = CAST(:state AS text))
  AND (CAST(:reason AS text) = '' OR reason = CAST(:reason AS text))
ORDER BY organization_id, intent_id DESC
LIMIT :most
