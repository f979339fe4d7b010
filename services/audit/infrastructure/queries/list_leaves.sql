SELECT
    leaf.position,
    leaf.transaction_id,
    leaf.event_id,
    leaf.hash,
    event.body,
    :everything OR leaf.organization_id IN ('', :organization_id) AS visible
FROM evidence_leaf AS leaf
LEFT JOIN operational_event AS event ON event.event_id = leaf.event_id
    AND (:everything OR leaf.organization_id IN ('', :organization_id))
WHERE leaf.position >= :start
    AND leaf.position < :end
ORDER BY leaf.position
