INSERT INTO organization (organization_id)
SELECT organization_id
FROM unnest(CAST(:organization_ids AS text[])) AS given (organization_id)
ORDER BY organization_id
ON CONFLICT DO NOTHING
