WITH ended AS (
    UPDATE cooldown
    SET ended_at = CAST(:at AS timestamptz),
        ended_by = CAST(:by AS text),
        end_reason = CAST(:reason AS text)
    FROM instance
    WHERE instance.organization_id = CAST(:organization_id AS text)
      AND instance.instance_id = CAST(:instance_id AS text)
      AND cooldown.organization_id = instance.organization_id
      AND cooldown.instance_id = instance.instance_id
      AND cooldown.start_time = instance.cooldown_start
)
UPDATE instance
SET cooldown_reason = NULL,
    cooldown_level = NULL,
    cooldown_start = NULL,
    cooldown_end = NULL,
    counted_from = CAST(:at AS timestamptz),
    version = version + 1
WHERE organization_id = CAST(:organization_id AS text)
  AND instance_id = CAST(:instance_id AS text)
