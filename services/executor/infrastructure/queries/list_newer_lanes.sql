-- Which of the given lane versions are news.
SELECT given.place
FROM unnest(
  CAST(:organization_ids AS text[]),
  CAST(:instance_ids AS text[]),
  CAST(:versions AS bigint[])
) WITH ORDINALITY AS given (organization_id, instance_id, version, place)
LEFT JOIN lane
  ON lane.organization_id = given.organization_id
  AND lane.instance_id = given.instance_id
WHERE lane.version IS NULL
  OR lane.version < given.version
