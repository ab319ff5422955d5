-- Checks of rewards for `ledger verify`.

-- name: lots_without_reward
-- A lot of a kind of reward without its reward, or with another amount, account or kind.
SELECT l.id AS lot_id, l.account_id FROM lot l LEFT JOIN reward r ON r.lot_id = l.id AND r.state = 'granted'
WHERE l.origin IN ('welcome', 'match', 'referral', 'cashback', 'code', 'streak')
    AND (r.account_id, r.amount, r.kind) IS DISTINCT FROM (l.account_id, l.amount, l.origin)
    AND NOT EXISTS (SELECT FROM entry_reference f WHERE f.entry_id = l.entry_id AND f.reference LIKE 'return/%') LIMIT 1

-- name: rewards_without_lot
-- A granted reward without its lot.
SELECT id FROM reward r WHERE state = 'granted' AND NOT EXISTS (SELECT FROM lot l WHERE l.id = r.lot_id AND l.entry_id = r.entry_id) LIMIT 1

-- name: wrong_sums
-- An account whose lifetime sum of rewards is not that of its rewards.
SELECT account_id FROM reward_account a WHERE granted <> (
    SELECT coalesce(sum(r.amount), 0) FROM reward r WHERE r.account_id = a.account_id AND r.state = 'granted') LIMIT 1

-- name: wrong_days
-- An account that was granted more cashback than its days have earned.
SELECT d.account_id FROM cashback_day d GROUP BY 1 HAVING bool_or(d.granted > d.earned / 10000) OR sum(d.granted) < (
    SELECT coalesce(sum(r.amount), 0) FROM reward r WHERE r.account_id = d.account_id AND r.kind = 'cashback' AND r.state = 'granted') LIMIT 1

-- name: too_much_locked
-- An account with more of its match locked than remains of the matched top-up, once what is due is unlocked. What is set aside of the
-- top-up counts as remaining: an open dispute takes nothing back.
SELECT m.account_id FROM top_up_match m JOIN restricted_credit r ON r.lot_id = m.match_lot AND r.place = 'locked'
WHERE r.amount + m.unlocked > (SELECT coalesce(sum(s.end_at - s.start_at), 0) FROM segment s
    WHERE s.account_id = m.account_id AND s.lot_id = m.top_up_lot)
    + (SELECT coalesce(sum(p.amount), 0) FROM restricted_credit p
       WHERE p.account_id = m.account_id AND p.lot_id = m.top_up_lot AND p.place = 'payout') LIMIT 1

-- name: overused_codes
-- A code whose count of uses is not that of its redemptions.
SELECT id FROM code c WHERE used <> (SELECT count(*) FROM redemption r WHERE r.code_id = c.id) LIMIT 1
