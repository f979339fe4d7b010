DELETE FROM mutation
WHERE (organization_id, method, request_id) IN (
    SELECT organization_id, method, request_id
    FROM mutation
    WHERE created_at < :before
    LIMIT :most
)
