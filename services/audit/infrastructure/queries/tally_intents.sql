-- Which events of these intents are stored; their ids bound the partitions from below. The index alone does not hold
-- sequence and type, but the rows of an intent lie close together.
SELECT event.aggregate_id, event.sequence, event.event_type
FROM operational_event AS event
WHERE event.organization_id = :organization_id
    AND event.aggregate_id = ANY(CAST(:intent_ids AS text[]))
    AND event.event_id >= CAST(:floor AS uuid)
    AND event.aggregate_type = 'INTENT'
ORDER BY event.aggregate_id, event.sequence
