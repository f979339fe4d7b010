-- The session is born obeying what this snapshot sees: its permits come from later ones, which see those pauses too. A
-- repeated call adds nothing, since permits may have been given in between.
WITH registered AS (
    INSERT INTO executor_session (session_id, executor, lease_until)
    VALUES (:session_id, :executor, clock_timestamp() + CAST(:lease AS interval))
    ON CONFLICT (session_id) DO NOTHING
    RETURNING session_id
), acknowledged AS (
    INSERT INTO acknowledgement (control_id, session_id)
    SELECT pause.control_id, registered.session_id
    FROM pause
    CROSS JOIN registered
    WHERE pause.state = 'PAUSING'
)
SELECT session_id
FROM registered
