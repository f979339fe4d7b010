WITH remembered AS (
    INSERT INTO cooldown (organization_id, instance_id, start_time, reason, level)
    VALUES (
        CAST(:organization_id AS text),
        CAST(:instance_id AS text),
        CAST(:start_time AS timestamptz),
        CAST(:reason AS text),
        CAST(:level AS int)
    )
)
UPDATE instance
SET cooldown_reason = CAST(:reason AS text),
    cooldown_level = CAST(:level AS int),
    cooldown_start = CAST(:start_time AS timestamptz),
    cooldown_end = CAST(:end_time AS timestamptz),
    version = version + 1
WHERE organization_id = CAST(:organization_id AS text)
  AND instance_id = CAST(:instance_id AS text)
