INSERT INTO evidence_node (level, position, hash)
SELECT level, position, hash
FROM unnest(CAST(:levels AS smallint[]), CAST(:positions AS bigint[]), CAST(:hashes AS bytea[]))
    AS node (level, position, hash)
