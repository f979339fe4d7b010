-- One organization whose intents are not all forgotten that are as old as this.
SELECT organization.organization_id, forgotten.up_to
FROM organization
LEFT JOIN forgotten USING (organization_id)
WHERE forgotten.up_to IS NULL
   OR forgotten.up_to < CAST(:floor AS uuid)
LIMIT 1
