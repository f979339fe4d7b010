SELECT event_id
FROM operational_event
WHERE event_id = :event_id
    AND (:everything OR organization_id IN ('', :organization_id))
