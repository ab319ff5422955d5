-- The counts of answers by endpoint and day.

-- name: add
-- Adds counts, ordered by name so that gateways that write at the same time cannot deadlock.
INSERT INTO endpoint_day AS d (day, endpoint, answered, failed)
SELECT $1, u.endpoint, u.answered, u.failed FROM unnest($2::text[], $3::bigint[], $4::bigint[]) u (endpoint, answered, failed) ORDER BY u.endpoint
ON CONFLICT (day, endpoint) DO UPDATE SET answered = d.answered + excluded.answered, failed = d.failed + excluded.failed

-- name: since
-- The counts of each endpoint from a day on.
SELECT endpoint, sum(answered)::bigint AS answered, sum(failed)::bigint AS failed FROM endpoint_day WHERE day >= $1 GROUP BY endpoint
