-- The events of every pause and cooldown that covered the intent at some time of its life, however long ago it began;
-- of very many those that ended last.
WITH covering AS (
    SELECT held.event_ids
    FROM unnest(
        CAST(:organization_ids AS text[]),
        CAST(:scopes AS text[]),
        CAST(:targets AS text[])
    ) AS place (organization_id, scope, target)
    CROSS JOIN LATERAL (
        SELECT held.event_ids, held.ended_at
        FROM scope_interval AS held
        WHERE held.organization_id = place.organization_id
            AND held.scope = place.scope
            AND held.target = place.target
            AND held.ended_at >= :start
            AND held.began_at <= :end
        ORDER BY held.ended_at DESC
        LIMIT :size
    ) AS held
    ORDER BY held.ended_at DESC
    LIMIT :size
)
SELECT event.body, event.recorded_at
FROM covering
CROSS JOIN LATERAL unnest(covering.event_ids) AS told (event_id)
JOIN operational_event AS event ON event.event_id = told.event_id
ORDER BY event.event_id DESC
LIMIT :size
