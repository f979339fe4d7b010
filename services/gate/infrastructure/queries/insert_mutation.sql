INSERT INTO mutation (organization_id, method, request_id, content_hash, answer)
VALUES (:organization_id, :method, :request_id, :content_hash, :answer)
