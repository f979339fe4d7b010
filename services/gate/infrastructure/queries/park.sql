UPDATE waiting
SET waits_for = 'RESUME',
    due_at = waiting.expire_time
FROM (
    SELECT coming.organization_id, coming.intent_id
    FROM unnest(
        CAST(:organization_ids AS text[]), CAST(:campaign_ids AS text[]), CAST(:instance_ids AS text[])
    ) AS given (organization_id, campaign_id, instance_id)
    CROSS JOIN LATERAL (
        SELECT waiting.organization_id, waiting.intent_id
        FROM waiting
        WHERE waiting.organization_id = given.organization_id
          AND waiting.campaign_id = given.campaign_id
          AND waiting.instance_id = given.instance_id
          AND waiting.due_at <= CAST(:until AS timestamptz)
          AND waiting.expire_time > CAST(:now AS timestamptz)
          AND waiting.waits_for <> 'RESUME'
        ORDER BY waiting.due_at
        LIMIT :most
        FOR UPDATE SKIP LOCKED
    ) AS coming
) AS parked
WHERE waiting.organization_id = parked.organization_id
  AND waiting.intent_id = parked.intent_id
