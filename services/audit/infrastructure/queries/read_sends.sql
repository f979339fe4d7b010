-- The attempts that ended in a short time, newest first.
SELECT event.body, event.recorded_at
FROM operational_event AS event
WHERE event.organization_id = :organization_id
    AND (:campaign_id = '' OR event.campaign_id = :campaign_id)
    AND (:instance_id = '' OR event.instance_id = :instance_id)
    AND event.event_id >= CAST(:floor AS uuid)
    AND event.event_id < CAST(:ceiling AS uuid)
    AND event.event_type = ANY(CAST(:types AS text[]))
ORDER BY event.event_id DESC
LIMIT :size
