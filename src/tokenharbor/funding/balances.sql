-- Balances of the books by address.

-- name: allow_long
-- Reading all entries takes longer than the usual statement timeout.
SET LOCAL statement_timeout = '300s'

-- name: balances
-- Balances of every address outside of accounts: from postings; from usage, as `posting_all` derives it; and from processors' fees.
WITH used AS (
    SELECT type, coalesce(nullif(provider, ''), '-') AS provider, sum(amount) AS amount, sum(fee) AS fee, sum(over) AS over, sum(vendor_cost) AS cost
    FROM entry WHERE type IN ('usage', 'loss') GROUP BY 1, 2),
moves (address, amount) AS (
    SELECT a.address, a.amount FROM posting p CROSS JOIN LATERAL (VALUES (p.source, -p.amount), (p.destination, p.amount)) a (address, amount)
    UNION ALL
    SELECT a.address, a.amount FROM used u CROSS JOIN LATERAL (VALUES ('revenue/usage', u.amount - u.fee + u.over), ('revenue/service_fee', u.fee),
        ('loss/overrun', -u.over), ('payable/provider/' || u.provider, -u.cost), ('expense/provider/' || u.provider, u.cost)) a (address, amount)
    WHERE u.type = 'usage'
    UNION ALL
    SELECT a.address, a.amount FROM used u CROSS JOIN LATERAL (VALUES ('payable/provider/' || u.provider, -u.cost), ('loss/unbilled', u.cost)) a (address, amount)
    WHERE u.type = 'loss'
    UNION ALL
    SELECT a.address, a.amount FROM processor_fee f CROSS JOIN LATERAL (VALUES ('expense/processor_fee', -f.amount),
        ('clearing/' || f.processor || '/usd', f.amount)) a (address, amount)
    UNION ALL
    SELECT a.address, a.amount FROM comparison_cost c CROSS JOIN LATERAL (VALUES ('expense/comparison', c.cost),
        ('payable/provider/' || c.provider, -c.cost)) a (address, amount))
SELECT address, sum(amount)::bigint AS amount FROM moves WHERE NOT starts_with(address, 'account/') GROUP BY 1 HAVING sum(amount) <> 0 ORDER BY 1

-- name: accounts
-- The sum of all accounts: credit on their lines, set aside or locked, less their debt.
SELECT (coalesce((SELECT sum(line_end - spent - debt) FROM wallet), 0) + coalesce((SELECT sum(amount) FROM restricted_credit), 0))::bigint
