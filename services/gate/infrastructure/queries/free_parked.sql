UPDATE waiting
SET waits_for = 'TIME',
    due_at = CAST(:now AS timestamptz)
FROM (
    SELECT parked.organization_id, parked.intent_id
    FROM waiting AS parked
    WHERE parked.waits_for = :waits_for
      AND parked.organization_id = :organization_id
      AND parked.campaign_id = :campaign_id
      AND parked.instance_id = :instance_id
    LIMIT :most
    FOR UPDATE SKIP LOCKED
) AS freed
WHERE waiting.organization_id = freed.organization_id
  AND waiting.intent_id = freed.intent_id
