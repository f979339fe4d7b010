DELETE FROM outbox_refused
WHERE outbox_refused.refused_id = ANY (
    ARRAY(
        SELECT refused_id
        FROM outbox_refused
        WHERE refused_at < :before
        ORDER BY refused_id
        LIMIT :most
    )
)
