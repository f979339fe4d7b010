UPDATE mutation
SET answer = :answer
WHERE organization_id = :organization_id
  AND method = :method
  AND request_id = :request_id
