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
),
unmeasured AS (
    SELECT organization.organization_id
    FROM organization
    JOIN organizations
      ON organizations.organization_id = organization.organization_id
    WHERE organization.backlog_measured_at IS NULL
       OR organization.backlog_measured_at <= CAST(:now AS timestamptz) - interval '9900 milliseconds'
    ORDER BY organization.organization_id
    FOR UPDATE OF organization SKIP LOCKED
),
measured AS (
    UPDATE organization
    SET backlog_measured_at = CAST(:now AS timestamptz)
    FROM unmeasured
    WHERE organization.organization_id = unmeasured.organization_id
    RETURNING organization.organization_id
)
SELECT
    measured.organization_id,
    count(*) AS waiting,
    min(waiting.due_at) FILTER (WHERE waiting.due_at <= CAST(:now AS timestamptz)) AS oldest
FROM measured
JOIN waiting
  ON waiting.organization_id = measured.organization_id
GROUP BY measured.organization_id
