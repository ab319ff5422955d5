-- Rewards, referrals and codes. A wallet is locked before any row of this room.

-- name: add_reward
-- Adds a reward; no row if its key was used before.
INSERT INTO reward (id, account_id, kind, key, state, wanted, amount, at, entry_id, lot_id, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (kind, key) DO NOTHING RETURNING id

-- name: lock_reward
-- Locks a reward until the transaction ends.
SELECT * FROM reward WHERE id = $1 FOR NO KEY UPDATE

-- name: reward
-- A reward by its id.
SELECT * FROM reward WHERE id = $1

-- name: decide_reward
-- Stores an operator's decision on a reward in review.
UPDATE reward SET state = $2, amount = $3, entry_id = $4, lot_id = $5, reason = $6, decided_by = $7, decided_at = $8
WHERE id = $1

-- name: rewards
-- The rewards of an account, or of all; in any state, or in one; oldest first.
SELECT * FROM reward WHERE ($1::uuid IS NULL OR account_id = $1) AND ($2::text IS NULL OR state = $2) ORDER BY at, id

-- name: rewards_once
-- An account's rewards that are granted only once.
SELECT * FROM reward WHERE account_id = $1 AND kind IN ('welcome', 'match')

-- name: lock_mark
-- Locks the row of an account's marks and sums, and creates it if it is missing.
INSERT INTO reward_account (account_id) VALUES ($1) ON CONFLICT (account_id) DO UPDATE SET account_id = excluded.account_id
RETURNING granted, seq, spent, trial_earned

-- name: granted
-- The sum of an account's rewards.
SELECT granted FROM reward_account WHERE account_id = $1

-- name: add_granted
-- Adds to the sum that the lifetime cap compares.
UPDATE reward_account SET granted = granted + $2 WHERE account_id = $1

-- name: lock_mailboxes
-- Locks, until the transaction ends, each mailbox that a present or past member of the account has or had.
SELECT pg_advisory_xact_lock(hashtextextended('mailbox ' || encode(m.digest, 'hex'), 0)) FROM (
    SELECT DISTINCT b.digest FROM account_person m JOIN user_mailbox b USING (user_id) WHERE m.account_id = $1 ORDER BY 1) m

-- name: twins_welcomed
-- Whether another account of the same people has had its welcome grant; or one of past members, or of people who share or shared a mailbox.
SELECT coalesce(bool_or(o.here AND m.here AND o.user_id = m.user_id), false) AS same_user, count(*) > 0 AS same_mailbox
FROM account_person m
CROSS JOIN LATERAL (SELECT m.user_id UNION SELECT v.user_id FROM user_mailbox u JOIN user_mailbox v USING (digest) WHERE u.user_id = m.user_id) v
JOIN account_person o ON o.user_id = v.user_id AND o.account_id <> $1
JOIN reward r ON r.account_id = o.account_id AND r.kind = 'welcome' AND r.state <> 'refused'
WHERE m.account_id = $1

-- name: add_code
-- Adds a redemption code.
INSERT INTO code (id, digest, amount, lasts, uses, created_at, expires_at, note, actor) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: codes
-- All codes, oldest first.
SELECT id, amount, lasts, uses, used, created_at, expires_at, revoked_at, note, actor FROM code ORDER BY created_at, id

-- name: lock_code
-- Locks a code, by its digest, until the transaction ends.
SELECT id, amount, lasts, uses, used, created_at, expires_at, revoked_at, note, actor FROM code WHERE digest = $1 FOR NO KEY UPDATE

-- name: use_code
-- Counts one more use of a code.
UPDATE code SET used = used + 1 WHERE id = $1

-- name: revoke_code
-- Revokes a code; the first time of revocation stands. No row for an unknown code.
UPDATE code SET revoked_at = least(revoked_at, $2) WHERE id = $1
RETURNING id, amount, lasts, uses, used, created_at, expires_at, revoked_at, note, actor

-- name: add_redemption
-- Records that an account redeems a code; no row if it has done so before.
INSERT INTO redemption (code_id, account_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING code_id

-- name: is_due
-- Whether an account has spent beyond its mark, or has a referral whose reward can be granted; $2 is how many unpaid ones may be.
SELECT w.spent > coalesce(m.spent, 0) OR EXISTS (SELECT FROM referral r JOIN wallet x ON x.account_id = r.referred
    WHERE r.referrer = $1 AND r.state = 'waiting' AND x.spent > 0 AND ((SELECT count(*) FROM referral o WHERE o.referrer = $1 AND o.unpaid) < $2
        OR EXISTS (SELECT FROM capture c WHERE c.account_id = r.referred AND c.captured > c.refunded + c.disputed)))
FROM wallet w LEFT JOIN reward_account m USING (account_id) WHERE w.account_id = $1

-- name: is_due_again
-- Whether an account has spent beyond its mark, and was not processed within the last minute.
SELECT w.spent > coalesce(m.spent, 0) AND coalesce(m.ran_at, '-infinity') <= $2::timestamptz - interval '1 minute'
FROM wallet w LEFT JOIN reward_account m USING (account_id) WHERE w.account_id = $1

-- name: charges
-- Charges after a mark, in order, with their UTC day.
SELECT seq, pos, amount, (at AT TIME ZONE 'UTC')::date AS day FROM entry
WHERE account_id = $1 AND seq > $2 AND type = 'usage' ORDER BY seq LIMIT $3

-- name: set_mark
-- Stores how far an account's usage was processed.
UPDATE reward_account SET seq = $2, spent = $3, trial_earned = $4, ran_at = $5 WHERE account_id = $1

-- name: days
-- An account's cashback of several days.
SELECT day, earned, granted FROM cashback_day WHERE account_id = $1 AND day = ANY ($2)

-- name: disputed
-- The amounts that disputes have taken of an account's top-ups.
SELECT lot_id, disputed FROM capture WHERE account_id = $1 AND disputed > 0

-- name: set_day
-- Stores the cashback of a day.
INSERT INTO cashback_day (account_id, day, earned, granted) VALUES ($1, $2, $3, $4)
ON CONFLICT (account_id, day) DO UPDATE SET earned = excluded.earned, granted = excluded.granted

-- name: add_source
-- Adds to the cashback that a top-up's lot has earned.
INSERT INTO cashback_source (lot_id, account_id, earned) VALUES ($1, $2, $3)
ON CONFLICT (lot_id) DO UPDATE SET earned = cashback_source.earned + excluded.earned

-- name: last_dispute
-- The last day on which any of these top-ups can be disputed.
SELECT max(dispute_until) FROM capture WHERE lot_id = ANY ($1)

-- name: match
-- An account's match.
SELECT instrument, top_up_lot, match_lot, entry_id, unlocked FROM top_up_match WHERE account_id = $1

-- name: add_match
-- Adds a match, once for an account and an instrument; no row if one of them had one before.
INSERT INTO top_up_match (account_id, instrument, top_up_lot, match_lot, entry_id) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING account_id

-- name: add_unlocked
-- Adds to the unlocked part of a match.
UPDATE top_up_match SET unlocked = unlocked + $2 WHERE account_id = $1

-- name: match_history
-- When an account signed up, whether it has another capture, and whether the instrument has paid before.
SELECT a.created_at, EXISTS (SELECT FROM capture c WHERE c.account_id = $1 AND c.lot_id <> $2) AS topped_up,
    EXISTS (SELECT FROM capture c WHERE c.instrument = $3 AND c.lot_id <> $2) AS instrument_known
FROM account a WHERE a.id = $1

-- name: last_seq
-- The number of an account's last entry.
SELECT seq FROM wallet WHERE account_id = $1

-- name: source
-- The cashback that a top-up's lot has earned, and the amounts that went back.
SELECT earned, returned, reversed FROM cashback_source WHERE lot_id = $1

-- name: undo_returned
-- Undoes a return in these sums.
UPDATE cashback_source SET returned = returned - $2, reversed = reversed - $3 WHERE lot_id = $1

-- name: add_returned
-- Adds to the amounts of a top-up, and of its cashback, that went back.
INSERT INTO cashback_source (lot_id, account_id, returned, reversed) VALUES ($1, $2, $3, $4)
ON CONFLICT (lot_id) DO UPDATE SET returned = cashback_source.returned + $3, reversed = cashback_source.reversed + $4

-- name: add_return
-- Adds a return with its turn, since it may be undone and made again. No row if its rewards are already taken back.
INSERT INTO reward_return (return_id, account_id, lot_id, amount, reversed, at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (return_id) DO UPDATE SET amount = excluded.amount, reversed = excluded.reversed, at = excluded.at, given_back_at = NULL,
    turn = reward_return.turn + 1
WHERE reward_return.given_back_at IS NOT NULL RETURNING turn

-- name: give_back
-- Marks a return as undone; no row if it was, or if nothing was taken back.
UPDATE reward_return SET given_back_at = $2 WHERE return_id = $1 AND given_back_at IS NULL RETURNING lot_id, amount, reversed, turn

-- name: return_postings
-- The postings of a return's entries.
SELECT p.amount, p.lot_id, p.source, p.destination FROM entry_reference f JOIN posting p ON p.entry_id = f.entry_id
WHERE f.reference = $1 ORDER BY p.ordinal

-- name: owed_for
-- The part of a lot that became debt when it was taken back, and is still taken back.
SELECT coalesce(sum(CASE WHEN source = $2 THEN amount ELSE -amount END), 0)::bigint FROM posting
WHERE lot_id = $1 AND ((source = $2 AND destination = 'expense/promotion') OR (destination = $2 AND source = 'expense/promotion'))

-- name: held_back
-- Lots of referrals and cashback that may not be withdrawn: all of an account that has never paid; and those of referrals whose account has not
-- spent a dollar of a top-up that is past its refund window and its last dispute and was paid by an instrument that the referrer has not used.
-- Pretended payments count only if the referrer's own are pretended, too, so that no real money leaves for them.
SELECT l.id FROM lot l WHERE l.account_id = $1 AND l.origin IN ('referral', 'cashback')
    AND NOT EXISTS (SELECT FROM capture c WHERE c.account_id = $1)
UNION
SELECT w.lot_id FROM reward w WHERE w.account_id = $1 AND w.kind = 'referral' AND w.state = 'granted' AND NOT EXISTS (
    SELECT FROM capture c JOIN wallet x ON x.account_id = c.account_id
    JOIN segment s ON s.account_id = c.account_id AND s.lot_id = c.lot_id AND s.start_at < x.spent
    WHERE c.account_id = w.key::uuid AND greatest(c.paid_at, c.refundable_until, c.dispute_until) <= $2
        AND c.captured > c.refunded + c.disputed
        AND (NOT (SELECT pretended FROM top_up WHERE id = c.top_up_id)
             OR EXISTS (SELECT FROM top_up o WHERE o.account_id = $1 AND o.pretended AND o.state = 'paid'))
        AND NOT EXISTS (SELECT FROM capture o WHERE o.account_id = $1 AND o.instrument = c.instrument AND o.instrument <> '')
    GROUP BY c.lot_id HAVING sum(least(s.end_at, x.spent) - s.start_at) >= 1000000000)

-- name: add_referral_code
-- An account's referral code, created when it is first asked for.
INSERT INTO referral_code (account_id, code) VALUES ($1, $2)
ON CONFLICT (account_id) DO UPDATE SET account_id = excluded.account_id RETURNING code

-- name: referrer
-- The account that a referral code belongs to.
SELECT account_id FROM referral_code WHERE code = $1

-- name: add_referral
-- Adds a referral.
INSERT INTO referral (referred, referrer, signed_up_at, state) VALUES ($1, $2, $3, 'waiting')

-- name: ready_referrals
-- A referrer's referrals whose account was billed, in order, with what speaks against a reward: the same people or instrument as the referrer or
-- another of their referrals; or somebody else with the same mailbox, now or earlier, or the same instrument.
SELECT r.referred,
    EXISTS (SELECT FROM capture c WHERE c.account_id = r.referred AND c.captured > c.refunded + c.disputed) AS paid,
    EXISTS (SELECT FROM membership a JOIN membership b USING (user_id) WHERE a.account_id = r.referrer AND b.account_id = r.referred)
        OR EXISTS (SELECT FROM capture a JOIN capture b ON b.instrument = a.instrument AND b.account_id <> a.account_id
            WHERE a.account_id = r.referred AND a.instrument <> '' AND (b.account_id = r.referrer
                OR b.account_id IN (SELECT o.referred FROM referral o WHERE o.referrer = r.referrer))) AS same_person,
    EXISTS (SELECT FROM membership a JOIN user_mailbox u USING (user_id) JOIN user_mailbox v ON v.digest = u.digest AND v.user_id <> u.user_id
        WHERE a.account_id = r.referred) AS same_mailbox,
    EXISTS (SELECT FROM capture a JOIN capture b ON b.instrument = a.instrument AND b.account_id <> a.account_id
        WHERE a.account_id = r.referred AND a.instrument <> '') AS same_instrument,
    EXISTS (SELECT FROM capture c WHERE c.account_id = r.referred AND c.instrument <> '') AS recognised
FROM referral r JOIN wallet x ON x.account_id = r.referred
WHERE r.referrer = $1 AND r.state = 'waiting' AND x.spent > 0 ORDER BY r.signed_up_at, r.referred

-- name: unpaid_referrals
-- The number of a referrer's rewards that were granted before the referred account had paid.
SELECT count(*) FROM referral WHERE referrer = $1 AND unpaid

-- name: set_referral
-- Stores the outcome of a referral.
UPDATE referral SET state = $2, unpaid = unpaid OR $3 WHERE referred = $1

-- name: referrals
-- An account's referrals, oldest first.
SELECT r.referred, r.signed_up_at, r.state, x.spent > 0 AS active, EXISTS (SELECT FROM capture c WHERE c.account_id = r.referred AND c.captured > c.refunded + c.disputed) AS paid
FROM referral r JOIN wallet x ON x.account_id = r.referred WHERE r.referrer = $1 ORDER BY r.signed_up_at, r.referred

-- name: idle_accounts
-- Accounts with something due that were not billed for ten minutes, or not processed for an hour; a page after account $1.
SELECT w.account_id FROM wallet w LEFT JOIN reward_account m USING (account_id)
WHERE w.account_id > $1 AND w.spent > coalesce(m.spent, 0) AND (coalesce(m.ran_at, '-infinity') <= $2::timestamptz - interval '1 hour'
    OR (SELECT e.at FROM entry e WHERE e.account_id = w.account_id ORDER BY e.seq DESC LIMIT 1) <= $2::timestamptz - interval '10 minutes')
ORDER BY 1 LIMIT $3

-- name: waiting_referrers
-- Accounts with a referral whose account was billed, a page after account $1; $2 is how many unpaid ones each may have.
SELECT DISTINCT r.referrer AS account_id FROM referral r JOIN wallet x ON x.account_id = r.referred
WHERE r.referrer > $1 AND r.state = 'waiting' AND x.spent > 0 AND ((SELECT count(*) FROM referral o WHERE o.referrer = r.referrer AND o.unpaid) < $2
    OR EXISTS (SELECT FROM capture c WHERE c.account_id = r.referred AND c.captured > c.refunded + c.disputed))
ORDER BY 1 LIMIT $3

-- name: last_dispute_of
-- The last day on which any top-up of an account can be disputed.
SELECT max(dispute_until) FROM capture WHERE account_id = $1

-- name: overview
-- An account's rewards: its match, today's cashback, what it has spent of top-ups, and whether it has topped up.
SELECT coalesce(m.unlocked, 0) AS match_unlocked, coalesce(r.amount, 0) AS match_locked, l.expires_at AS match_expires_at,
    (SELECT max(x.expires_at) FROM lot x WHERE x.account_id = w.account_id AND x.origin = 'welcome') AS welcome_expires_at,
    coalesce((SELECT d.granted FROM cashback_day d WHERE d.account_id = w.account_id AND d.day = ($2 AT TIME ZONE 'UTC')::date), 0) AS cashback_today,
    EXISTS (SELECT FROM capture c WHERE c.account_id = w.account_id) AS topped_up,
    coalesce((SELECT sum(least(s.end_at, w.spent) - s.start_at) FROM segment s JOIN lot x ON x.id = s.lot_id
        WHERE s.account_id = w.account_id AND s.start_at < w.spent AND x.origin = 'top-up' AND x.pool = 'paid'), 0)::bigint AS spent_paid,
    g.cashback AS cashback_granted, g.referrals AS referrals_granted
FROM wallet w LEFT JOIN top_up_match m ON m.account_id = w.account_id LEFT JOIN lot l ON l.id = m.match_lot
LEFT JOIN restricted_credit r ON r.account_id = w.account_id AND r.lot_id = m.match_lot AND r.place = 'locked'
CROSS JOIN LATERAL (SELECT coalesce(sum(amount) FILTER (WHERE kind = 'cashback'), 0)::bigint AS cashback,
        coalesce(sum(amount) FILTER (WHERE kind = 'referral'), 0)::bigint AS referrals
    FROM reward WHERE account_id = w.account_id AND state = 'granted') g
WHERE w.account_id = $1
