-- No event of an intent is older than the intent, so its id bounds the partitions from below.
SELECT event.event_id, event.body, event.recorded_at
FROM operational_event AS event
WHERE event.organization_id = :organization_id
    AND event.aggregate_id = :intent_id
    AND event.event_id >= CAST(:floor AS uuid)
    AND event.aggregate_type = 'INTENT'
ORDER BY event.event_id DESC
LIMIT :size
