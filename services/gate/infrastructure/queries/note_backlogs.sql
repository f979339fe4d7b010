-- Note what was counted, unless another replica was faster.
UPDATE organization
SET backlog_measured_at = CAST(:now AS timestamptz),
    backlog_waiting = given.waiting
FROM unnest(CAST(:organization_ids AS text[]), CAST(:waitings AS bigint[])) AS given (organization_id, waiting)
WHERE organization.organization_id = given.organization_id
  AND organization.organization_id IN (
    SELECT unmeasured.organization_id
    FROM organization AS unmeasured
    WHERE unmeasured.organization_id = ANY(CAST(:organization_ids AS text[]))
      AND (
        unmeasured.backlog_measured_at IS NULL
        OR unmeasured.backlog_measured_at <= CAST(:now AS timestamptz) - interval '9900 milliseconds'
    )
    ORDER BY unmeasured.organization_id
    FOR UPDATE
)
RETURNING organization.organization_id
