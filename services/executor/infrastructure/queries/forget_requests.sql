DELETE FROM request
WHERE (organization_id, method, request_id) IN (
  SELECT request.organization_id, request.method, request.request_id
  FROM request
  WHERE request.created_at < :before
  LIMIT :most
)
