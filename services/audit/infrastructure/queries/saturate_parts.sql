SELECT DISTINCT ON (part)
    CASE WHEN :by_campaign THEN peak.campaign_id ELSE peak.instance_id END AS part,
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
    AND peak.minutes = span.minutes
    AND peak.start >= span.since
    AND peak.start < span.until
ORDER BY part, peak.ratio DESC, peak.used DESC, peak.limit_name DESC
