-- Whether a later holder has taken the lease: a row when it has.
SELECT 1 AS "yes!" FROM partition_leases WHERE topic = $1 AND partition = $2 AND epoch > $3
