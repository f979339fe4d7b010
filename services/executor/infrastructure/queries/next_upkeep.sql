-- Seconds until a lease lapses or an approval runs out; null if nothing waits.
SELECT CAST(
  extract(
    epoch FROM least(
      (SELECT min(lease.lease_until) FROM lease),
      (SELECT min(job.lapses_at) FROM job WHERE job.next_attempt_at > '-infinity')
    ) - statement_timestamp()
  ) AS double precision
) AS due_in
