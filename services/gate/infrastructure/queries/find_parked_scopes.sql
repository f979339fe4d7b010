-- Walks from scope to scope on the index: a million intents that wait for one resume cost one step.
-- TIME, the last of the words, is no event.
WITH RECURSIVE scopes AS (
    (
        SELECT waits_for, organization_id, campaign_id, instance_id
        FROM waiting
        WHERE waits_for < 'TIME'
        ORDER BY waits_for, organization_id, campaign_id, instance_id
        LIMIT 1
    )
    UNION ALL
    SELECT following.waits_for, following.organization_id, following.campaign_id, following.instance_id
    FROM scopes
    CROSS JOIN LATERAL (
        SELECT waiting.waits_for, waiting.organization_id, waiting.campaign_id, waiting.instance_id
        FROM waiting
        WHERE waiting.waits_for < 'TIME'
          AND (waiting.waits_for, waiting.organization_id, waiting.campaign_id, waiting.instance_id)
            > (scopes.waits_for, scopes.organization_id, scopes.campaign_id, scopes.instance_id)
        ORDER BY waiting.waits_for, waiting.organization_id, waiting.campaign_id, waiting.instance_id
        LIMIT 1
    ) AS following
)
SELECT waits_for, organization_id, campaign_id, instance_id
FROM scopes
LIMIT 10000
