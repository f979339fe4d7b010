SELECT drop_partition_before(:before) AS dropped
