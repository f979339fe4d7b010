SELECT event.event_id, event.body
FROM unnest(CAST(:event_ids AS uuid[])) AS wanted (event_id)
JOIN operational_event AS event ON event.event_id = wanted.event_id
