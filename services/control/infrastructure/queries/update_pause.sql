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
    changed_in = pg_current_xact_id()
FROM advanced
WHERE pause.organization_id = :organization_id
  AND pause.control_id = :control_id
  AND pause.state = ANY (CAST(:before AS text[]))
