-- Count what waits for each organization that nobody has counted for a while, and note it; once more when nothing waits.
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
    WHERE (
        organization.backlog_waiting > 0
        OR organization.organization_id IN (SELECT organizations.organization_id FROM organizations)
    )
      AND (
        organization.backlog_measured_at IS NULL
        OR organization.backlog_measured_at <= CAST(:now AS timestamptz) - interval '9900 milliseconds'
    )
    ORDER BY organization.organization_id
    FOR UPDATE OF organization SKIP LOCKED
),
counted AS MATERIALIZED (
    SELECT
        unmeasured.organization_id,
        count(waiting.intent_id) AS waiting,
        min(waiting.due_at) FILTER (WHERE waiting.due_at <= CAST(:now AS timestamptz)) AS oldest
    FROM unmeasured
    LEFT JOIN waiting
      ON waiting.organization_id = unmeasured.organization_id
    GROUP BY unmeasured.organization_id
),
measured AS (
    UPDATE organization
    SET backlog_measured_at = CAST(:now AS timestamptz), backlog_waiting = counted.waiting
    FROM counted
    WHERE organization.organization_id = counted.organization_id
    RETURNING organization.organization_id
)
SELECT
    counted.organization_id,
    counted.waiting,
    counted.oldest
FROM measured
JOIN counted
  ON counted.organization_id = measured.organization_id
