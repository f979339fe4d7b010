-- A leaf, and the body while it is kept; without :everything only for who may see it.
SELECT leaf.position, leaf.hash, event.body
FROM evidence_leaf AS leaf
LEFT JOIN operational_event AS event ON event.event_id = leaf.event_id
WHERE leaf.event_id = :event_id
    AND (:everything OR leaf.organization_id IN ('', :organization_id))
ORDER BY leaf.position
LIMIT 1
