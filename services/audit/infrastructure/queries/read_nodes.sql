SELECT 0 AS level, leaf.position, leaf.hash
FROM unnest(CAST(:levels AS smallint[]), CAST(:firsts AS bigint[]), CAST(:ends AS bigint[]))
    AS wanted (level, first, end_)
JOIN evidence_leaf AS leaf ON wanted.level = 0 AND leaf.position >= wanted.first AND leaf.position < wanted.end_
UNION ALL
SELECT node.level, node.position, node.hash
FROM unnest(CAST(:levels AS smallint[]), CAST(:firsts AS bigint[]), CAST(:ends AS bigint[]))
    AS wanted (level, first, end_)
JOIN evidence_node AS node
    ON node.level = wanted.level AND node.position >= wanted.first AND node.position < wanted.end_
