-- Events whose place is before a leaf that is there, and that are no leaf: added after the sealing.
SELECT event.event_id, CAST(CAST(event.xid8 AS text) AS bigint) AS transaction_id
FROM operational_event AS event
WHERE CAST(CAST(event.xid8 AS text) AS bigint) BETWEEN :first_transaction AND :last_transaction
    AND (event.xid8, event.event_id)
        > (CAST(CAST(CAST(:first_transaction AS bigint) AS text) AS xid8), CAST(:first_event AS uuid))
    AND (event.xid8, event.event_id)
        < (CAST(CAST(CAST(:last_transaction AS bigint) AS text) AS xid8), CAST(:last_event AS uuid))
    AND NOT EXISTS (SELECT FROM evidence_leaf AS leaf WHERE leaf.event_id = event.event_id)
    AND (:everything OR event.organization_id IN ('', :organization_id))
ORDER BY event.xid8, event.event_id
LIMIT 100
