-- Losing a renewal or an acknowledgement in a crash costs time and nothing else, so that their commit waits for no disk.
WITH relaxed AS (
    SELECT set_config('synchronous_commit', 'off', true)
), extended AS (
    UPDATE executor_session
    SET lease_until = clock_timestamp() + CAST(:lease AS interval)
    WHERE session_id = :session_id
      AND ended_at IS NULL
    RETURNING session_id
), acknowledged AS (
    INSERT INTO acknowledgement (control_id, session_id)
    SELECT pause.control_id, extended.session_id
    FROM pause
    CROSS JOIN extended
    WHERE pause.control_id = ANY (CAST(:control_ids AS uuid[]))
      AND pause.state = 'PAUSING'
    ON CONFLICT (control_id, session_id) DO NOTHING
    RETURNING pg_notify('whatlead_acknowledgements', '')
)
SELECT (SELECT count(*) FROM acknowledged) AS acknowledged
FROM extended
CROSS JOIN relaxed
