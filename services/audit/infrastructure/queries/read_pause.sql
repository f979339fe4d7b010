-- A pause of the organization or, since it concerns it too, of the whole platform.
SELECT event.body, event.recorded_at
FROM scope_interval AS held
CROSS JOIN LATERAL unnest(held.event_ids) AS told (event_id)
JOIN operational_event AS event ON event.event_id = told.event_id
WHERE held.organization_id = ANY(CAST(:organization_ids AS text[]))
    AND held.scope_id = :control_id
ORDER BY event.event_id DESC
LIMIT 100
