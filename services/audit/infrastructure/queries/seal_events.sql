-- Makes leaves of the next events, in the order of (transaction, event id); those below :ceiling are all committed.
-- Answers with all hashes in one value, which is read much faster than a row each.
WITH leaf AS (
    INSERT INTO evidence_leaf (position, transaction_id, event_id, organization_id, hash)
    SELECT
        CAST(:size AS bigint) - 1 + row_number() OVER (ORDER BY xid8, event_id),
        CAST(CAST(xid8 AS text) AS bigint),
        event_id,
        organization_id,
        sha256(CAST('\x00' AS bytea) || body)
    FROM (
        SELECT xid8, event_id, organization_id, body
        FROM operational_event
        WHERE CAST(CAST(xid8 AS text) AS bigint) >= :transaction_id
            AND CAST(CAST(xid8 AS text) AS bigint) < :ceiling
            AND (xid8, event_id) > (CAST(CAST(CAST(:transaction_id AS bigint) AS text) AS xid8), CAST(:event_id AS uuid))
        ORDER BY xid8, event_id
        LIMIT :most
    ) AS next_event
    RETURNING position, hash
)
SELECT count(*) AS leaves, string_agg(hash, CAST('' AS bytea) ORDER BY position) AS hashes
FROM leaf
