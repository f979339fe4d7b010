-- Keeps each refused item once, however often it is delivered.
INSERT INTO quarantine (digest, event_id, peer, reason, message, body, recorded_at)
SELECT sha256(body), event_id, peer, reason, message, body, recorded_at
FROM unnest(
    CAST(:event_id AS text[]),
    CAST(:peer AS text[]),
    CAST(:reason AS text[]),
    CAST(:message AS text[]),
    CAST(:body AS bytea[]),
    CAST(:recorded_at AS timestamptz[])
) AS refused (event_id, peer, reason, message, body, recorded_at)
ORDER BY sha256(body)
ON CONFLICT (digest) DO NOTHING
