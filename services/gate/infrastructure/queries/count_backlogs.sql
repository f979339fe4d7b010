-- Count what waits for each organization that nobody has counted for a while, once more when nothing waits. Locks
-- nothing, and reads the smallest index alone.
WITH RECURSIVE organizations AS (
    (
        SELECT organization_id
        FROM waiting
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
SELECT
    organization.organization_id,
    counted.waiting,
    due.oldest,
    extract(epoch FROM clock_timestamp() - statement_timestamp()) AS seconds
FROM organization
CROSS JOIN LATERAL (
    SELECT count(*) AS waiting
    FROM waiting
    WHERE waiting.waits_for IN ('CONTROL', 'COOLDOWN', 'INSTANCE', 'RESUME', 'TIME')
      AND waiting.organization_id = organization.organization_id
) AS counted
CROSS JOIN LATERAL (
    SELECT min(waiting.due_at) AS oldest
    FROM waiting
    WHERE waiting.organization_id = organization.organization_id
      AND waiting.due_at <= CAST(:now AS timestamptz)
) AS due
WHERE (
    organization.backlog_waiting > 0
    OR organization.organization_id IN (SELECT organizations.organization_id FROM organizations)
)
  AND (
    organization.backlog_measured_at IS NULL
    OR organization.backlog_measured_at <= CAST(:now AS timestamptz) - interval '9900 milliseconds'
)
