-- The books read page by page, to verify and to export them: no statement takes long.

-- name: wallet
-- An account's wallet, and the number of its last entry.
SELECT line_end, spent, held, debt, nullif(next_expiry, 'infinity') AS next_expiry, w.seq, step, chain, (SELECT seq FROM entry e WHERE e.account_id = $1 ORDER BY seq DESC LIMIT 1) AS last_seq
FROM wallet w WHERE w.account_id = $1

-- name: credit
-- The segments of an account's line in order, every lot that it was ever granted, and the amounts of lots that are locked or being paid out.
SELECT
    ARRAY(SELECT (start_at, end_at, lot_id) FROM segment WHERE account_id = $1 ORDER BY start_at) AS line,
    ARRAY(SELECT (id, pool, origin, amount, granted_at, expires_at, refundable_until, withdrawable_from, entry_id)
          FROM lot WHERE account_id = $1 ORDER BY granted_at, id) AS lots,
    ARRAY(SELECT (lot_id, place, amount) FROM restricted_credit WHERE account_id = $1 ORDER BY lot_id, place) AS restricted

-- name: meters
-- The meters of an account's keys; the end of a period that never began is NULL.
SELECT key_id, spent, day_spent, month_spent, nullif(day_end, '-infinity') AS day_end, nullif(month_end, '-infinity') AS month_end
FROM key_meter WHERE account_id = $1

-- name: cuts
-- An account's signed cuts, in order.
SELECT * FROM signed_cut WHERE account_id = $1 ORDER BY to_seq

-- name: counted
-- The number of the last of an account's entries that is in its totals.
SELECT coalesce(max(seq), 0) FROM usage_mark WHERE account_id = $1

-- name: hours
-- The totals of an account by hour.
SELECT hour, sum(requests - unbilled)::bigint AS billed, sum(charge)::bigint AS charge, sum(fee)::bigint AS fee, sum(vendor_cost)::bigint AS vendor_cost,
       sum(over)::bigint AS over, sum(loss)::bigint AS loss, sum(saved_exact)::bigint AS saved_exact, sum(saved_semantic)::bigint AS saved_semantic,
       sum(saved_vendor)::bigint AS saved_vendor
FROM usage_hour WHERE account_id = $1 GROUP BY 1

-- name: stages
-- The totals of an account by day and stage.
SELECT day, stage, requests, charge, input_tokens, output_tokens, saved_exact, saved_semantic, saved_vendor FROM stage_day WHERE account_id = $1

-- name: entry_page
-- A page of an account's entries in order. (A join with requests would read whole tables for each page.)
SELECT id, account_id, at, type, detail_digest, seq, pos, step, ordinal, amount, fee, vendor_cost, over, provider, price_version, reference
FROM entry WHERE account_id = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4

-- name: request_keys
-- Of some requests of an account, those whose rows are still there: the key, whether the detail is there, and the detail if it has a stage or
-- may name a saving.
SELECT id, key_id, detail IS NOT NULL AS has_detail, CASE WHEN stage IS NOT NULL OR position('"saved"' IN detail) > 0 THEN detail END AS detail
FROM request WHERE account_id = $1 AND id = ANY ($2) AND id BETWEEN $3 AND $4

-- name: postings
-- The postings of entries that are not usage.
SELECT entry_id, amount, source, destination, lot_id FROM posting WHERE entry_id = ANY ($1) ORDER BY entry_id, ordinal

-- name: seals
-- The seals of entries that change a line.
SELECT entry_id, line FROM entry_seal WHERE entry_id = ANY ($1)

-- name: request_page_end
-- The last request in a page of an account's requests after one.
SELECT id FROM (SELECT id FROM request WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3) r ORDER BY id DESC LIMIT 1

-- name: request_page
-- An account's requests after one and up to another, each with the fields of its entry that its row repeats; NULL without an entry.
SELECT id, key_id, r.at, model, r.provider, status, edition, region, salt, detail, e.at, type, detail_digest, e.provider, price_version
FROM request r LEFT JOIN LATERAL (SELECT at, type, detail_digest, provider, price_version FROM entry WHERE entry.id = r.id OFFSET 0) e ON true
WHERE account_id = $1 AND id > $2 AND id <= $3 ORDER BY id

-- name: missing_meter
-- One of some keys that has no meter in an account.
SELECT k FROM unnest($2::uuid[]) u (k) WHERE NOT EXISTS (SELECT FROM key_meter WHERE key_id = k AND account_id = $1) LIMIT 1

-- name: next_account
-- The next account that has a wallet, an entry or a signed cut.
SELECT account_id FROM (
    (SELECT account_id FROM wallet WHERE account_id > $1 ORDER BY account_id LIMIT 1)
    UNION ALL
    (SELECT account_id FROM entry WHERE account_id > $1 ORDER BY account_id LIMIT 1)
    UNION ALL
    (SELECT account_id FROM signed_cut WHERE account_id > $1 ORDER BY account_id LIMIT 1)) x
ORDER BY account_id LIMIT 1

-- name: entry_count
-- The number of entries.
SELECT coalesce(sum(seq), 0)::bigint FROM wallet

-- name: wallets_and_holds
-- A page of accounts, each with the sum of its holds and the number of open ones.
SELECT w.account_id AS id, w.held, coalesce(h.held, 0)::bigint AS holds, w.open, coalesce(h.open, 0) AS places
FROM (SELECT account_id, held, open FROM wallet WHERE account_id > $1 ORDER BY account_id LIMIT $2) w
LEFT JOIN (SELECT account_id, sum(amount) AS held, count(*) FILTER (WHERE open) AS open FROM hold GROUP BY account_id) h USING (account_id)
ORDER BY 1

-- name: meters_and_holds
-- A page of keys, likewise.
SELECT m.key_id AS id, m.held, coalesce(h.held, 0)::bigint AS holds, m.open, coalesce(h.open, 0) AS places
FROM (SELECT key_id, held, open FROM key_meter WHERE key_id > $1 ORDER BY key_id LIMIT $2) m
LEFT JOIN (SELECT key_id, sum(amount) AS held, count(*) FILTER (WHERE open) AS open FROM hold GROUP BY key_id) h USING (key_id) ORDER BY 1

-- name: orphaned_hold
-- A hold that has no wallet, no meter or no gateway's run.
SELECT request_id FROM hold h WHERE NOT EXISTS (SELECT FROM wallet w WHERE w.account_id = h.account_id)
    OR NOT EXISTS (SELECT FROM key_meter m WHERE m.key_id = h.key_id AND m.account_id = h.account_id)
    OR NOT EXISTS (SELECT FROM gateway g WHERE g.id = h.gateway_id) LIMIT 1

-- name: posting_page
-- A page of the entries that have postings, with their type, and whether their postings are numbered from 0 without gaps.
SELECT p.entry_id, p.numbered, (SELECT e.type FROM entry e WHERE e.id = p.entry_id) AS type
FROM (SELECT entry_id, min(ordinal) = 0 AND max(ordinal) = count(*) - 1 AS numbered FROM posting WHERE entry_id > $1
      GROUP BY entry_id ORDER BY entry_id LIMIT $2) p ORDER BY 1

-- name: references
-- The references of some entries, and the entries of some references.
SELECT reference, entry_id FROM entry_reference WHERE entry_id = ANY ($1) OR reference = ANY ($2)

-- name: request_days
-- The partitions of requests, one for each day that was not dropped.
SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'request'::regclass

-- name: purged_before
-- The time before which requests have no rows; no row if nothing was ever purged.
SELECT purged_before FROM metadata_purge

-- name: ended_in
-- Whether a key has a request that ended in a period. The lower bound of ids, which have the time of the request's beginning, saves reading.
SELECT EXISTS (SELECT FROM request WHERE account_id = $1 AND key_id = $2 AND at >= $3 AND at < $4 AND id >= $5)

-- name: missing_prices
-- The versions of prices that are missing.
SELECT v FROM unnest($1::bytea[]) u (v) WHERE NOT EXISTS (SELECT FROM price WHERE version = v)

-- name: price_page
-- A page of prices.
SELECT version, body FROM price WHERE version > $1 ORDER BY version LIMIT $2

-- name: account_without_wallet
-- An account that has no wallet.
SELECT id FROM account a WHERE NOT EXISTS (SELECT FROM wallet w WHERE w.account_id = a.id) LIMIT 1

-- name: key_meter_mismatch
-- A key whose meter is missing, belongs to another account, or has other limits than the key. The largest number means no limit.
SELECT k.id FROM api_key k LEFT JOIN key_meter m ON m.key_id = k.id
WHERE (m.account_id, m.quota, m.daily, m.monthly) IS DISTINCT FROM (k.account_id, coalesce(k.quota, 9223372036854775807),
       coalesce(k.daily, 9223372036854775807), coalesce(k.monthly, 9223372036854775807)) LIMIT 1

-- name: account_wallet_mismatch
-- An account whose wallet has budgets other than the lower of the operator's and its own. The largest number means no limit.
SELECT a.id FROM account a JOIN wallet w ON w.account_id = a.id
WHERE (w.daily, w.monthly) IS DISTINCT FROM (coalesce(least(a.daily, a.daily_budget), 9223372036854775807),
       coalesce(least(a.monthly, a.monthly_budget), 9223372036854775807)) LIMIT 1

-- name: changed_task
-- A task that was changed since it was accepted, or whose state does not match its hold and its entry.
SELECT request_id FROM task t
CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM entry e WHERE e.id = t.request_id AND e.type = 'usage') AS billed,
    EXISTS (SELECT FROM hold h WHERE h.request_id = t.request_id AND h.account_id = t.account_id AND h.key_id = t.key_id) AS held) x
WHERE t.digest <> task_digest(t) OR (t.state = 'open') <> (t.closed_at IS NULL)
    OR CASE t.state WHEN 'open' THEN NOT (billed OR held) WHEN 'done' THEN NOT billed ELSE billed END LIMIT 1

-- name: misnumbered_home
-- A gateway with a slot whose runs are not numbered from 1 without gaps.
SELECT min(home) AS home FROM gateway GROUP BY home_id, slot, CASE WHEN home_id IS NULL THEN home END
HAVING min(epoch) <> 1 OR max(epoch) <> count(*) LIMIT 1
