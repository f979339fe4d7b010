SELECT note
FROM evidence_checkpoint
WHERE size > :start
    AND size <= :end
ORDER BY size
