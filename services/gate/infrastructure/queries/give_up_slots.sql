-- Frees the slots of all that waits for one, and makes it due now. Windows are numbered as in gate.domain.schedule.
WITH waited AS (
    SELECT intent.organization_id, intent.intent_id, intent.instance_id, intent.slot_at
    FROM waiting
    JOIN intent
      ON intent.organization_id = waiting.organization_id
     AND intent.intent_id = waiting.intent_id
    WHERE waiting.organization_id = :organization_id
      AND intent.slot_at IS NOT NULL
),
cleared AS (
    UPDATE intent
    SET slot_at = NULL,
        slot_before = NULL,
        slot_after = NULL
    FROM waited
    WHERE intent.organization_id = waited.organization_id
      AND intent.intent_id = waited.intent_id
),
freed AS (
    UPDATE slot_count
    SET used = greatest(0, slot_count.used - counted.slots)
    FROM (
        SELECT waited.instance_id, windows.per, windows.number, count(*) AS slots
        FROM waited
        CROSS JOIN LATERAL (
            VALUES
                ('HOUR', waited.slot_at / 3600000000),
                ('DAY', (waited.slot_at - 10800000000) / 86400000000)
        ) AS windows (per, number)
        GROUP BY waited.instance_id, windows.per, windows.number
    ) AS counted
    WHERE slot_count.organization_id = :organization_id
      AND slot_count.instance_id = counted.instance_id
      AND slot_count.per = counted.per
      AND slot_count.number = counted.number
),
rested AS (
    UPDATE instance
    SET tat = least(tat, CAST(:moment AS bigint))
    WHERE organization_id = :organization_id
)
UPDATE waiting
SET due_at = CAST(:now AS timestamptz)
WHERE organization_id = :organization_id
  AND waits_for = 'TIME'
