-- Keep the newest version of each lane, in whatever order they come. What it has sent so far still counts for its pace.
INSERT INTO lane (organization_id, instance_id, version, provider, provider_account, gap_seconds, burst, next_send_at)
SELECT DISTINCT ON (given.organization_id, given.instance_id)
  given.organization_id,
  given.instance_id,
  given.version,
  given.provider,
  given.provider_account,
  given.gap_seconds,
  given.burst,
  statement_timestamp()
FROM unnest(
  CAST(:organization_ids AS text[]),
  CAST(:instance_ids AS text[]),
  CAST(:versions AS bigint[]),
  CAST(:providers AS text[]),
  CAST(:provider_accounts AS text[]),
  CAST(:gaps AS double precision[]),
  CAST(:bursts AS integer[])
) AS given (organization_id, instance_id, version, provider, provider_account, gap_seconds, burst)
ORDER BY given.organization_id, given.instance_id, given.version DESC
ON CONFLICT (organization_id, instance_id) DO UPDATE
SET
  version = excluded.version,
  provider = excluded.provider,
  provider_account = excluded.provider_account,
  gap_seconds = excluded.gap_seconds,
  burst = excluded.burst
WHERE lane.version < excluded.version
