-- Keep what came of a request.
UPDATE request
SET answer = :answer
WHERE request.organization_id = :organization_id
  AND request.request_id = :request_id
  AND request.method = :method
