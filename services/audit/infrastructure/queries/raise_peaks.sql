-- Keeps the highest reading; equal ones are told apart by name, so that the order of arrival does not matter.
INSERT INTO saturation_minute AS kept (
    organization_id, minute, instance_id, campaign_id, ratio, used, most, limit_name
)
SELECT organization_id, minute, instance_id, campaign_id, ratio, used, most, limit_name
FROM unnest(
    CAST(:organization_id AS text[]),
    CAST(:minute AS timestamptz[]),
    CAST(:instance_id AS text[]),
    CAST(:campaign_id AS text[]),
    CAST(:ratio AS double precision[]),
    CAST(:used AS double precision[]),
    CAST(:most AS double precision[]),
    CAST(:limit_name AS text[])
) AS seen (organization_id, minute, instance_id, campaign_id, ratio, used, most, limit_name)
ON CONFLICT (organization_id, minute, instance_id, campaign_id)
DO UPDATE SET
    ratio = excluded.ratio,
    used = excluded.used,
    most = excluded.most,
    limit_name = excluded.limit_name
WHERE (kept.ratio, kept.used, kept.limit_name) < (excluded.ratio, excluded.used, excluded.limit_name)
