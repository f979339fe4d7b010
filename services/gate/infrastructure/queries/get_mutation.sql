SELECT content_hash, answer
FROM mutation
WHERE organization_id = :organization_id
  AND method = :method
  AND request_id = :request_id
