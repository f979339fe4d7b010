SELECT ensure_partitions(now(), :weeks) AS made
