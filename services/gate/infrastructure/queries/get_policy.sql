SELECT policy.version, policy.document, policy.created_at, policy.created_by
FROM organization
JOIN policy
  ON policy.organization_id = organization.organization_id
 AND policy.version = organization.policy_version
WHERE organization.organization_id = :organization_id
