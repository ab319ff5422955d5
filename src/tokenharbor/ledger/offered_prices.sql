-- The history of each endpoint's price.

-- name: add
-- Adds the prices of endpoints that differ from the last one recorded.
INSERT INTO offered_price (endpoint, since, version)
SELECT u.endpoint, $3, u.version FROM unnest($1::text[], $2::bytea[]) u (endpoint, version)
WHERE u.version IS DISTINCT FROM (SELECT o.version FROM offered_price o WHERE o.endpoint = u.endpoint ORDER BY o.since DESC LIMIT 1)
ON CONFLICT DO NOTHING

-- name: changed
-- The prices of the endpoints that had more than one, oldest first.
SELECT o.endpoint, o.since, p.body FROM offered_price o JOIN price p USING (version)
WHERE o.endpoint IN (SELECT endpoint FROM offered_price GROUP BY endpoint HAVING count(*) > 1)
ORDER BY o.endpoint, o.since
