-- Lock canaries, without those that another executor is counting for at this moment.
SELECT canary.control_id
FROM canary
WHERE canary.control_id = ANY (CAST(:control_ids AS uuid[]))
ORDER BY canary.control_id
FOR UPDATE SKIP LOCKED
