-- A leaf, and the event while it is kept; without :everything only for who may see it.
SELECT
    leaf.position,
    leaf.event_id,
    leaf.hash,
    event.organization_id,
    event.aggregate_type,
    event.aggregate_id,
    event.sequence,
    event.event_type,
    event.instance_id,
    event.campaign_id,
    event.reason,
    event.occurred_at,
    event.recorded_at,
    event.clamped,
    event.producer,
    event.trace_id,
    event.actor,
    event.body
FROM evidence_leaf AS leaf
LEFT JOIN operational_event AS event ON event.event_id = leaf.event_id
WHERE leaf.event_id = :event_id
    AND (:everything OR leaf.organization_id IN ('', :organization_id))
ORDER BY leaf.position
LIMIT 1
