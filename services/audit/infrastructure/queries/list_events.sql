-- The organization's own events and, since they concern it too, those of the whole platform; newest first.
SELECT page.event_id, page.body, page.recorded_at
FROM unnest(CAST(:organization_ids AS text[])) AS owner (organization_id)
CROSS JOIN LATERAL (
    SELECT event.event_id, event.body, event.recorded_at
    FROM operational_event AS event
    WHERE event.organization_id = owner.organization_id
        AND event.event_id < CAST(:before AS uuid)
        AND event.event_id >= CAST(:floor AS uuid)
        AND (CAST(:types AS text[]) IS NULL OR event.event_type = ANY(CAST(:types AS text[])))
        AND (:campaign_id = '' OR event.campaign_id = :campaign_id)
        AND event.occurred_at >= :start
        AND event.occurred_at < :until
    ORDER BY event.event_id DESC
    LIMIT :size
) AS page
ORDER BY page.event_id DESC
LIMIT :size
