-- By place in the table: whatever the plan expects, it goes to the rows that were found and to no others.
DELETE FROM mutation
WHERE ctid = ANY (
    ARRAY(
        SELECT ctid
        FROM mutation
        WHERE created_at < :before
        LIMIT :most
    )
)
