WITH advanced AS (
    UPDATE control_version
    SET version = :version
    WHERE organization_id = :organization_id
    RETURNING pg_notify('whatlead_control', organization_id)
), settled AS (
    DELETE FROM acknowledgement
    WHERE control_id = :control_id
)
UPDATE pause
SET state = :state,
    version = CAST(:version AS bigint),
    fenced_at = CAST(:fenced_at AS timestamptz),
    ended_at = CAST(:ended_at AS timestamptz),
    ended_by = CAST(:ended_by AS text),
    end_reason = CAST(:end_reason AS text),
    resume_request_id = CAST(:resume_request_id AS text),
    plan = CAST(:plan AS text),
    ramp_from = CAST(:ramp_from AS double precision),
    ramp_duration = CAST(:ramp_duration AS interval),
    canary_sends = CAST(:canary_sends AS integer),
    canary_watch = CAST(:canary_watch AS interval),
    canary_max_failure_share = CAST(:canary_max_failure_share AS double precision),
    full_pace_at = CAST(:full_pace_at AS timestamptz),
    canary_failed_at = CAST(:canary_failed_at AS timestamptz),
    failed_control_id = CAST(:failed_control_id AS uuid),
    changed_in = pg_current_xact_id()
FROM advanced
WHERE pause.organization_id = :organization_id
  AND pause.control_id = :control_id
  AND (
      pause.state IN ('PAUSING', 'FENCED')
      OR (pause.plan = 'CANARY' AND pause.full_pace_at IS NULL AND pause.failed_control_id IS NULL)
  )
