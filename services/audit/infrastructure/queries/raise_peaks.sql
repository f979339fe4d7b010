-- Keeps the highest reading; equal ones are told apart by name, so that the order of arrival does not matter.
INSERT INTO saturation_peak AS kept (
    organization_id, minutes, start, instance_id, campaign_id, ratio, used, most, limit_name
)
SELECT DISTINCT ON (1, 2, 3, 4, 5)
    organization_id,
    span.minutes,
    date_bin(span.minutes * interval '1 minute', seen.minute, 'epoch') AS start,
    instance_id, campaign_id, ratio, used, most, limit_name
FROM unnest(
    CAST(:organization_id AS text[]),
    CAST(:minute AS timestamptz[]),
    CAST(:instance_id AS text[]),
    CAST(:campaign_id AS text[]),
    CAST(:ratio AS double precision[]),
    CAST(:used AS double precision[]),
    CAST(:most AS double precision[]),
    CAST(:limit_name AS text[])
) AS seen (organization_id, minute, instance_id, campaign_id, ratio, used, most, limit_name),
    (VALUES (1), (10), (60), (1440)) AS span (minutes)
ORDER BY 1, 2, 3, 4, 5, ratio DESC, used DESC, limit_name COLLATE "C" DESC
ON CONFLICT (organization_id, minutes, start, instance_id, campaign_id)
DO UPDATE SET
    ratio = excluded.ratio,
    used = excluded.used,
    most = excluded.most,
    limit_name = excluded.limit_name
WHERE (kept.ratio, kept.used, kept.limit_name) < (excluded.ratio, excluded.used, excluded.limit_name)
