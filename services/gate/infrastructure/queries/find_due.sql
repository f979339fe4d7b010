-- Walks from organization to organization on the index, and takes the oldest due of each: none can starve the others.
WITH RECURSIVE organizations AS (
    (
        SELECT organization_id
        FROM waiting
        WHERE organization_id > :after
        ORDER BY organization_id
        LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT waiting.organization_id
        FROM waiting
        WHERE waiting.organization_id > organizations.organization_id
        ORDER BY waiting.organization_id
        LIMIT 1
    )
    FROM organizations
    WHERE organizations.organization_id IS NOT NULL
)
SELECT due.organization_id, due.intent_id, due.campaign_id, due.instance_id, due.expire_time
FROM organizations
CROSS JOIN LATERAL (
    SELECT organization_id, intent_id, campaign_id, instance_id, expire_time
    FROM waiting
    WHERE waiting.organization_id = organizations.organization_id
      AND waiting.due_at <= :now
    ORDER BY waiting.due_at, waiting.intent_id
    LIMIT :of_one
) AS due
LIMIT :most
