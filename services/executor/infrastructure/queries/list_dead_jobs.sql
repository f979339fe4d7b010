-- DEAD jobs of a campaign, oldest first.
SELECT job.organization_id, job.intent_id
FROM job
WHERE job.organization_id = :organization_id
  AND job.campaign_id = :campaign_id
  AND job.state = 'DEAD'
ORDER BY job.intent_id
LIMIT :jobs
