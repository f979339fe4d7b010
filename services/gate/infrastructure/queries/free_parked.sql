UPDATE waiting
SET waits_for = 'TIME',
    due_at = CAST(:now AS timestamptz)
FROM (
    SELECT parked.organization_id, parked.intent_id
    FROM unnest(
        CAST(:waits_fors AS text[]),
        CAST(:organization_ids AS text[]),
        CAST(:campaign_ids AS text[]),
        CAST(:instance_ids AS text[]),
        CAST(:mosts AS int[])
    ) AS given (waits_for, organization_id, campaign_id, instance_id, most)
    CROSS JOIN LATERAL (
        SELECT waiting.organization_id, waiting.intent_id
        FROM waiting
        WHERE waiting.waits_for = given.waits_for
          AND waiting.organization_id = given.organization_id
          AND waiting.campaign_id = given.campaign_id
          AND waiting.instance_id = given.instance_id
        LIMIT given.most
        FOR UPDATE SKIP LOCKED
    ) AS parked
) AS freed
WHERE waiting.organization_id = freed.organization_id
  AND waiting.intent_id = freed.intent_id
