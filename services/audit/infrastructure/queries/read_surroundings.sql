-- The events of every pause and cooldown that covered the intent at some time of its life, however long ago it began.
SELECT event.body, event.recorded_at
FROM unnest(
    CAST(:organization_ids AS text[]),
    CAST(:scopes AS text[]),
    CAST(:targets AS text[])
) AS place (organization_id, scope, target)
JOIN scope_interval AS held
    ON held.organization_id = place.organization_id
    AND held.scope = place.scope
    AND held.target = place.target
    AND held.ended_at >= :start
    AND held.began_at <= :end
CROSS JOIN LATERAL unnest(held.event_ids) AS told (event_id)
JOIN operational_event AS event ON event.event_id = told.event_id
ORDER BY event.event_id DESC
LIMIT 1000
