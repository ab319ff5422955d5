-- Volume: what accounts spent of their top-ups since the month began (UTC).

-- name: place_volumes
-- At $1, the accounts whose row does not say the highest of the thresholds $2 that their month has reached: it does now. A wallet has
-- spent its `month_spent` last, so the month is the last piece of its line before `spent`. What a dispute took back was not paid: at
-- most what is left of a capture counts.
WITH month AS (
    SELECT w.account_id, w.spent, w.spent - CASE WHEN $1 >= w.month_end THEN 0 ELSE w.month_spent END AS began
    FROM wallet w JOIN account a ON a.id = w.account_id
    WHERE a.volume > 0 OR ($1 < w.month_end AND w.month_spent >= (SELECT min(t) FROM unnest($2::bigint[]) t))
), of_lot AS (
    SELECT m.account_id, s.lot_id, sum(least(s.end_at, m.spent) - greatest(s.start_at, m.began)) AS amount
    FROM month m JOIN segment s ON s.account_id = m.account_id AND s.start_at < m.spent AND s.end_at > m.began
    GROUP BY 1, 2
), of_top_ups AS (
    SELECT o.account_id, sum(least(o.amount, c.captured - c.refunded - c.disputed)) AS amount
    FROM of_lot o JOIN capture c ON c.lot_id = o.lot_id
    GROUP BY 1
), reached AS (
    SELECT m.account_id, coalesce((SELECT max(t) FROM unnest($2::bigint[]) t WHERE t <= o.amount), 0) AS volume
    FROM month m LEFT JOIN of_top_ups o USING (account_id)
)
UPDATE account a SET volume = r.volume FROM reached r WHERE a.id = r.account_id AND a.volume <> r.volume
RETURNING a.id
