INSERT INTO waiting (organization_id, intent_id, due_at, waits_for, campaign_id, instance_id, expire_time)
SELECT organization_id, intent_id, due_at, waits_for, campaign_id, instance_id, expire_time
FROM unnest(
    CAST(:organization_ids AS text[]),
    CAST(:intent_ids AS uuid[]),
    CAST(:due_ats AS timestamptz[]),
    CAST(:waits_fors AS text[]),
    CAST(:campaign_ids AS text[]),
    CAST(:instance_ids AS text[]),
    CAST(:expire_times AS timestamptz[])
) AS given (organization_id, intent_id, due_at, waits_for, campaign_id, instance_id, expire_time)
ORDER BY organization_id, intent_id
ON CONFLICT (organization_id, intent_id) DO UPDATE
SET due_at = EXCLUDED.due_at,
    waits_for = EXCLUDED.waits_for
