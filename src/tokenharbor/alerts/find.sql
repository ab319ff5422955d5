-- Finds notices that are due at $1. Each query writes its notices, once per kind and period.

-- name: low_balances
-- Accounts whose balance fell below their threshold since the last run, at most once a UTC day. Held amounts count as balance.
WITH moved AS (
    UPDATE alert_preference p SET is_low = NOT p.is_low FROM wallet w
    WHERE w.account_id = p.account_id AND p.low_balance IS NOT NULL AND p.is_low <> (w.line_end - w.spent < p.low_balance)
    RETURNING p.account_id, p.is_low, p.low_balance, w.line_end - w.spent AS unspent
)
INSERT INTO notice (account_id, kind, period, at, facts)
SELECT account_id, 'low_balance', to_char($1::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD'), $1::timestamptz,
    jsonb_build_object('left_nano', unspent, 'threshold_nano', low_balance)
FROM moved WHERE is_low
ON CONFLICT (account_id, kind, period) DO NOTHING

-- name: budgets
-- Daily and monthly budgets at 50, 80 or 100 %. If several were passed at once, only the highest is written; a changed budget starts again.
INSERT INTO notice (account_id, kind, period, at, facts)
SELECT a.id, b.kind, concat_ws('/', b.period, b.budget, p.percent), $1::timestamptz,
    jsonb_build_object('percent', p.percent, 'of', b.period, 'spent_nano', b.spent, 'budget_nano', b.budget)
FROM account a JOIN wallet w ON w.account_id = a.id
CROSS JOIN LATERAL (VALUES
    ('daily_budget', to_char($1::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD'), least(a.daily, a.daily_budget), w.day_spent, w.day_end),
    ('monthly_budget', to_char($1::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM'), least(a.monthly, a.monthly_budget), w.month_spent, w.month_end)) b(kind, period, budget, spent, ends)
CROSS JOIN LATERAL (SELECT max(t) AS percent FROM unnest(ARRAY[50, 80, 100]) t WHERE b.spent::numeric * 100 >= b.budget::numeric * t) p
WHERE (a.daily IS NOT NULL OR a.monthly IS NOT NULL OR a.daily_budget IS NOT NULL OR a.monthly_budget IS NOT NULL) AND $1 < b.ends AND p.percent IS NOT NULL
ON CONFLICT (account_id, kind, period) DO NOTHING

-- name: quotas
-- Keys in force that have spent 80 or 100 % of their quota. A changed quota starts again.
INSERT INTO notice (account_id, kind, period, at, facts)
SELECT k.account_id, 'key_quota', k.id || '/' || k.quota || '/' || p.percent, $1::timestamptz,
    jsonb_build_object('key_id', k.id, 'percent', p.percent, 'spent_nano', m.spent, 'quota_nano', k.quota)
FROM api_key k JOIN key_meter m ON m.key_id = k.id
CROSS JOIN LATERAL (SELECT max(t) AS percent FROM unnest(ARRAY[80, 100]) t WHERE m.spent::numeric * 100 >= k.quota::numeric * t) p
WHERE k.quota IS NOT NULL AND k.revoked_at IS NULL AND p.percent IS NOT NULL
ON CONFLICT (account_id, kind, period) DO NOTHING

-- name: expiring
-- Unspent credit that expires within three days, unless it was granted for three days or less.
INSERT INTO notice (account_id, kind, period, at, facts)
SELECT l.account_id, 'credit_expiring', l.id::text, $1::timestamptz,
    jsonb_build_object('lot_id', l.id, 'pool', l.pool, 'left_nano', s.amount,
                       'expires_at', to_char(l.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
FROM lot l JOIN wallet w ON w.account_id = l.account_id
CROSS JOIN LATERAL (SELECT sum(s.end_at - greatest(s.start_at, w.spent)) AS amount FROM segment s
                    WHERE s.account_id = l.account_id AND s.lot_id = l.id AND s.end_at > w.spent) s
WHERE l.expires_at > $1 AND l.expires_at <= $1 + interval '3 days' AND l.expires_at - l.granted_at > interval '3 days' AND s.amount > 0
  AND NOT EXISTS (SELECT FROM notice n WHERE n.account_id = l.account_id AND n.kind = 'credit_expiring' AND n.period = l.id::text)
ON CONFLICT (account_id, kind, period) DO NOTHING
