-- What waits, by scope, from the index alone. An intent that names no instance can be sent from any: it counts for a
-- given one only where the organization has no other.
SELECT waiting.organization_id, waiting.instance_id, waiting.campaign_id, count(*) AS intents
FROM waiting
WHERE waiting.waits_for IN ('CONTROL', 'COOLDOWN', 'INSTANCE', 'RESUME', 'TIME')
  AND (CAST(:organization_id AS text) = '' OR waiting.organization_id = CAST(:organization_id AS text))
  AND (CAST(:campaign_id AS text) = '' OR waiting.campaign_id = CAST(:campaign_id AS text))
GROUP BY waiting.organization_id, waiting.campaign_id, waiting.instance_id
HAVING CAST(:instance_id AS text) IN ('', waiting.instance_id)
    OR waiting.instance_id = ''
   AND ARRAY[CAST(:instance_id AS text)] = ARRAY(
        SELECT instance.instance_id
        FROM instance
        WHERE instance.organization_id = waiting.organization_id
    )
