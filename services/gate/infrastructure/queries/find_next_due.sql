WITH RECURSIVE organizations AS (
    (
        SELECT organization_id
        FROM waiting
        WHERE organization_id > ''
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
SELECT min(due.due_at) AS due_at
FROM organizations
CROSS JOIN LATERAL (
    SELECT waiting.due_at
    FROM waiting
    WHERE waiting.organization_id = organizations.organization_id
    ORDER BY waiting.due_at
    LIMIT 1
) AS due
