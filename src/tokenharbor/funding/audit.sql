-- Checks between captures and the books.

-- name: lots_without_capture
-- A lot granted by a top-up without a capture, or whose capture has another amount or account.
SELECT l.id AS lot_id, l.account_id FROM lot l LEFT JOIN capture c ON c.lot_id = l.id
WHERE l.origin = 'top-up' AND (c.lot_id IS NULL OR (c.captured, c.account_id) IS DISTINCT FROM (l.amount, l.account_id)) ORDER BY l.id LIMIT 1

-- name: captures_without_credit
-- A capture without its lot, or that does not match its top-up.
SELECT c.processor, c.capture_id FROM capture c LEFT JOIN lot l ON l.id = c.lot_id LEFT JOIN top_up t ON t.id = c.top_up_id
WHERE l.id IS NULL OR t.state IS DISTINCT FROM 'paid'
   OR (t.processor, t.capture_id, t.account_id, t.currency, t.amount_minor) IS DISTINCT FROM
      (c.processor, c.capture_id, c.account_id, c.currency, c.captured_minor)
ORDER BY 1, 2 LIMIT 1

-- name: paid_without_capture
-- A top-up that is paid but has no capture.
SELECT t.id AS top_up_id FROM top_up t WHERE t.state = 'paid' AND NOT EXISTS (SELECT FROM capture c WHERE c.top_up_id = t.id) ORDER BY t.id LIMIT 1

-- name: wrong_returns
-- A capture whose refunded sums are not those of its refunds.
SELECT c.processor, c.capture_id FROM capture c LEFT JOIN (
    SELECT processor, capture_id, sum(closed) AS closed, sum(closed_minor) AS closed_minor FROM refund WHERE state = 'done' GROUP BY 1, 2) r
    USING (processor, capture_id)
WHERE (c.refunded, c.refunded_minor) IS DISTINCT FROM (coalesce(r.closed, 0), coalesce(r.closed_minor, 0)) ORDER BY 1, 2 LIMIT 1

-- name: wrong_disputes
-- A capture whose disputed sums are not those of its disputes.
SELECT c.processor, c.capture_id FROM capture c LEFT JOIN (
    SELECT processor, capture_id, sum(taken) AS taken, sum(taken_minor) AS taken_minor FROM dispute GROUP BY 1, 2) d
    USING (processor, capture_id)
WHERE (c.disputed, c.disputed_minor) IS DISTINCT FROM (coalesce(d.taken, 0), coalesce(d.taken_minor, 0)) ORDER BY 1, 2 LIMIT 1

-- name: wrong_payouts
-- A lot whose sum set aside is not that of its refunds, disputes and withdrawals.
SELECT lot_id FROM (
    SELECT lot_id, amount FROM restricted_credit WHERE place = 'payout'
    UNION ALL SELECT lot_id, -set_aside FROM refund WHERE state IN ('review', 'asked', 'called')
    UNION ALL SELECT lot_id, -frozen FROM dispute
    UNION ALL SELECT p.lot_id, -p.amount FROM withdrawal_part p JOIN withdrawal w ON w.id = p.withdrawal_id
              WHERE w.state IN ('asked', 'approved', 'called')) x
GROUP BY lot_id HAVING sum(amount) <> 0 ORDER BY 1 LIMIT 1

-- name: wrong_withdrawals
-- A withdrawal whose parts have another sum, or whose refund has another sum or state.
SELECT w.id AS withdrawal_id FROM withdrawal w LEFT JOIN refund r ON r.id = w.refund_id
LEFT JOIN LATERAL (SELECT sum(amount) AS amount FROM withdrawal_part p WHERE p.withdrawal_id = w.id) p ON true
WHERE w.payee_id IS NOT NULL AND (p.amount IS DISTINCT FROM w.amount OR w.amount <> w.amount_minor * 10000000)
   OR w.refund_id IS NOT NULL AND (
       (r.account_id, r.amount, r.currency, r.amount_minor) IS DISTINCT FROM (w.account_id, w.amount, w.currency, w.amount_minor)
       OR CASE r.state WHEN 'review' THEN 'asked' WHEN 'asked' THEN 'approved' ELSE r.state END
          <> CASE w.state WHEN 'cancelled' THEN 'rejected' ELSE w.state END)
ORDER BY w.id LIMIT 1

-- name: wrong_taxes
-- An account whose tax in the books is not that of its captures, less the tax that has gone back.
WITH owed AS (
    SELECT e.account_id, sum(CASE WHEN p.destination = 'payable/tax' THEN p.amount ELSE -p.amount END) AS amount
    FROM posting p JOIN entry e ON e.id = p.entry_id WHERE 'payable/tax' IN (p.source, p.destination) GROUP BY 1),
due AS (
    SELECT account_id, sum(tax - greatest(0, least(tax, floor((captured + tax)::numeric * (refunded_minor + disputed_minor) / captured_minor)
                                                        - refunded - disputed))) AS amount
    FROM capture WHERE tax > 0 GROUP BY 1)
SELECT account_id FROM owed FULL JOIN due USING (account_id)
WHERE coalesce(owed.amount, 0) <> coalesce(due.amount, 0) ORDER BY 1 LIMIT 1

-- name: wrong_clearing
-- A processor whose clearing account in USD is not what it took, less what it gave back and paid out.
WITH booked AS (
    SELECT split_part(a.address, '/', 2) AS processor, sum(a.amount) AS amount
    FROM posting p CROSS JOIN LATERAL (VALUES (p.source, p.amount), (p.destination, -p.amount)) a (address, amount)
    WHERE a.address LIKE 'clearing/%/usd' GROUP BY 1),
moved AS (
    SELECT processor, sum(minor) * 10000000 AS amount FROM (
        SELECT processor, captured_minor AS minor FROM capture WHERE currency = 'USD'
        UNION ALL SELECT processor, -amount_minor FROM refund WHERE state = 'done' AND currency = 'USD'
        UNION ALL SELECT processor, -withdrawn_minor FROM dispute WHERE currency = 'USD'
        UNION ALL SELECT processor, -amount_minor FROM withdrawal WHERE state = 'done' AND payee_id IS NOT NULL AND currency = 'USD') x
    GROUP BY 1)
SELECT processor FROM booked FULL JOIN moved USING (processor)
WHERE coalesce(booked.amount, 0) <> coalesce(moved.amount, 0) ORDER BY 1 LIMIT 1

-- name: wrong_sums
-- An account whose net sum of top-ups is not that of its captures.
SELECT w.account_id FROM wallet w LEFT JOIN (
    SELECT account_id, sum(captured - refunded - disputed) AS net FROM capture GROUP BY account_id) c ON c.account_id = w.account_id
WHERE w.topped_up <> coalesce(c.net, 0) ORDER BY w.account_id LIMIT 1
