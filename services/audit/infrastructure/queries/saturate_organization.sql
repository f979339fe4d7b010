SELECT DISTINCT ON (peak.instance_id)
    peak.instance_id,
    peak.limit_name,
    peak.used,
    peak.most
FROM saturation_minute AS peak
WHERE peak.organization_id = :organization_id
    AND peak.minute >= :start
    AND (:campaign_id = '' OR peak.campaign_id = :campaign_id)
ORDER BY peak.instance_id, peak.ratio DESC, peak.used DESC, peak.limit_name DESC
