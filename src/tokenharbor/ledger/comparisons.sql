-- The operator's expense for comparisons of cached answers.

-- name: reserve
-- Holds amount $2 of day $1, if the day's held and spent total stays within $3; else returns no row.
INSERT INTO comparison_day AS d (day, held, cost) SELECT $1::date, $2::bigint, 0 WHERE $2::bigint <= $3::bigint
ON CONFLICT (day) DO UPDATE SET held = d.held + excluded.held WHERE d.held + d.cost + excluded.held <= $3::bigint RETURNING day

-- name: settle
-- Turns a held amount into its cost, and adds the cost, if any, to what we owe the provider.
WITH done AS (UPDATE comparison_day SET held = held - $4::bigint, cost = cost + $5::bigint WHERE day = $1::date RETURNING day)
INSERT INTO comparison_cost AS c (day, provider, upstream_model, requests, cost)
    SELECT day, $2::text, $3::text, 1, $5::bigint FROM done WHERE $5::bigint > 0
ON CONFLICT (day, provider, upstream_model) DO UPDATE SET requests = c.requests + 1, cost = c.cost + excluded.cost

-- name: unequal
-- The first day whose expense is not the sum of the amounts owed to providers.
SELECT d.day FROM comparison_day d LEFT JOIN comparison_cost c ON c.day = d.day
GROUP BY d.day, d.cost HAVING coalesce(sum(c.cost), 0) <> d.cost ORDER BY d.day LIMIT 1
