-- By place in the table: whatever the plan expects, it goes to the rows that were found and to no others.
DELETE FROM signal
WHERE ctid = ANY (
    ARRAY(
        SELECT ctid
        FROM signal
        WHERE occurred_at < :before
        LIMIT :most
    )
)
