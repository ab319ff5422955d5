-- The history of requests.

-- name: request
-- One request of an account, with its entry and the price that its detail names. Either the row or the entry may be missing.
SELECT r.at, r.key_id, r.model, r.provider, r.status, r.detail, r.salt,
       e.at AS entry_at, e.seq, e.pos, e.amount, e.fee, e.over, e.step, e.ordinal, e.type, e.price_version,
       e.provider AS entry_provider, e.detail_digest, e.vendor_cost, e.reference, p.body AS price
FROM (SELECT $2::uuid AS id) x
LEFT JOIN request r ON r.account_id = $1 AND r.id = x.id
LEFT JOIN entry e ON e.id = x.id AND e.account_id = $1
LEFT JOIN price p ON p.version = decode(convert_from(r.detail, 'UTF8')::jsonb #>> '{served,price_version}', 'hex')
WHERE r.id IS NOT NULL OR e.id IS NOT NULL

-- name: owner
-- The account of a request.
SELECT account_id FROM request WHERE id = $1 UNION ALL SELECT account_id FROM entry WHERE id = $1 LIMIT 1

-- name: requests
-- The latest requests of an account that match a filter, newest first, with their charges; at most $9 are searched. The search for a cache
-- relies on the form in which gateways write details: no space between tokens, quotes in strings escaped.
SELECT r.id, r.at, r.key_id, r.model, r.provider, r.status, r.detail, coalesce(e.amount, 0) AS amount
FROM (SELECT * FROM (SELECT * FROM request WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $9) x
      WHERE ($3::text IS NULL OR model = $3) AND ($4::text IS NULL OR provider = $4) AND ($5::uuid IS NULL OR key_id = $5)
          AND ($6::text IS NULL OR status = $6) AND ($7::text IS NULL OR position(convert_to('"cache":"' || $7 || '"', 'UTF8') IN detail) > 0)
          AND ($8::text IS NULL OR stage = $8)
      ORDER BY id DESC LIMIT $10) r
LEFT JOIN entry e ON e.id = r.id AND e.type = 'usage' ORDER BY r.id DESC

-- name: searched_to
-- The last of the $3 requests of an account before one, if there are as many.
SELECT id FROM request WHERE account_id = $1 AND id < $2 ORDER BY id DESC OFFSET $3 - 1 LIMIT 1

-- name: lots
-- The lots of an interval of an account's line, in the line's order.
SELECT s.lot_id, l.pool, l.origin, least(s.end_at, $3) - greatest(s.start_at, $2) AS amount
FROM segment s JOIN lot l ON l.id = s.lot_id
WHERE s.account_id = $1 AND s.start_at < $3 AND s.end_at > $2 ORDER BY s.start_at

-- name: price
-- A price by its version.
SELECT body FROM price WHERE version = $1

-- name: add_prices
-- Adds prices, each once.
INSERT INTO price (version, body, effective_at) SELECT v, b, $3 FROM unnest($1::bytea[], $2::text[]) u (v, b) ON CONFLICT DO NOTHING
