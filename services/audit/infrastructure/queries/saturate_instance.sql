SELECT DISTINCT ON (peak.instance_id)
    peak.instance_id,
    peak.limit_name,
    peak.used,
    peak.most
FROM (VALUES
    (1, CAST(:start AS timestamptz), CAST(:tens AS timestamptz)),
    (10, CAST(:tens AS timestamptz), CAST(:hour AS timestamptz)),
    (60, CAST(:hour AS timestamptz), CAST(:day AS timestamptz)),
    (1440, CAST(:day AS timestamptz), CAST('infinity' AS timestamptz))
) AS span (minutes, since, until)
JOIN saturation_peak AS peak
    ON peak.organization_id = :organization_id
    AND peak.instance_id = :instance_id
    AND peak.minutes = span.minutes
    AND peak.start >= span.since
    AND peak.start < span.until
WHERE :campaign_id = '' OR peak.campaign_id = :campaign_id
ORDER BY peak.instance_id, peak.ratio DESC, peak.used DESC, peak.limit_name DESC
