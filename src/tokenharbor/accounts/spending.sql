-- The spending of an account and its keys in the UTC day and month of $2.

-- name: account
-- An account's spending, from the meters that holds are checked against, so that budgets and pages agree.
SELECT CASE WHEN $2 < day_end THEN day_spent ELSE 0 END AS day, CASE WHEN $2 < month_end THEN month_spent ELSE 0 END AS month
FROM wallet WHERE account_id = $1

-- name: keys
-- The spending of each key of an account, and the last hour in which it was used.
SELECT m.key_id, m.spent AS life, CASE WHEN $2 < m.day_end THEN m.day_spent ELSE 0 END AS day,
       CASE WHEN $2 < m.month_end THEN m.month_spent ELSE 0 END AS month, u.hour AS used_hour
FROM key_meter m
LEFT JOIN (SELECT key_id, max(hour) AS hour FROM usage_hour WHERE account_id = $1 GROUP BY 1) u ON u.key_id = m.key_id
WHERE m.account_id = $1
