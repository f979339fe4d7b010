WITH moved AS (
    UPDATE instance
    SET tat = given.tat
    FROM unnest(
        CAST(:organization_ids AS text[]), CAST(:instance_ids AS text[]), CAST(:tats AS bigint[])
    ) AS given (organization_id, instance_id, tat)
    WHERE instance.organization_id = given.organization_id
      AND instance.instance_id = given.instance_id
      AND instance.tat <> given.tat
)
INSERT INTO slot_count (organization_id, instance_id, per, number, used)
SELECT organization_id, instance_id, per, number, used
FROM unnest(
    CAST(:count_organization_ids AS text[]),
    CAST(:count_instance_ids AS text[]),
    CAST(:pers AS text[]),
    CAST(:numbers AS bigint[]),
    CAST(:useds AS int[])
) AS given (organization_id, instance_id, per, number, used)
ORDER BY organization_id, instance_id, per, number
ON CONFLICT (organization_id, instance_id, per, number) DO UPDATE
SET used = EXCLUDED.used
