-- The balances of an account's lots.

-- name: lots
-- Each lot with a rest, in spending order; then restricted credit (locked, or set aside for a payout). Of expired credit only the held part
-- counts.
SELECT l.id, l.pool, l.origin, l.amount, l.granted_at, l.expires_at, l.refundable_until, l.withdrawable_from, s.place, s.remaining, s.held
FROM wallet w, LATERAL (
    SELECT lot_id, NULL AS place, min(start_at) AS start_at, sum(upto - greatest(start_at, w.spent))::bigint AS remaining,
           sum(greatest(least(upto, w.spent + w.held) - greatest(start_at, w.spent), 0))::bigint AS held
    FROM (SELECT g.lot_id, g.start_at, CASE WHEN x.expires_at <= $2 THEN least(g.end_at, w.spent + w.held) ELSE g.end_at END AS upto
          FROM segment g JOIN lot x ON x.id = g.lot_id WHERE g.account_id = w.account_id AND g.end_at > w.spent) p
    WHERE upto > greatest(start_at, w.spent) GROUP BY lot_id
    UNION ALL
    SELECT r.lot_id, r.place, NULL, r.amount, 0 FROM restricted_credit r JOIN lot x ON x.id = r.lot_id
    WHERE r.account_id = w.account_id AND (r.place <> 'locked' OR coalesce(x.expires_at > $2, true))) s
JOIN lot l ON l.id = s.lot_id
WHERE w.account_id = $1 AND s.remaining > 0
ORDER BY s.start_at, s.place, l.granted_at, l.id
