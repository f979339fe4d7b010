-- Whose numbers these are, by their ids at the provider.
SELECT lane.provider_account, lane.organization_id
FROM lane
WHERE lane.provider_account = ANY (CAST(:accounts AS text[]))
GROUP BY lane.provider_account, lane.organization_id
