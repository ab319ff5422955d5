-- The open holds of an account.

-- name: open_holds
-- The oldest holds of an account above zero (request ids sort by time), their number, and the total held, from one snapshot. The table of
-- holds has no index by account: it has only open requests, and is read only if the wallet has something held. Only a task has its model
-- in the books before it ends.
SELECT w.held, h.request_id, h.key_id, k.name AS key_name, t.model, h.amount, h.open, coalesce(h.count, 0) AS count
FROM wallet w LEFT JOIN LATERAL (
    SELECT request_id, key_id, amount, open, count(*) OVER () AS count FROM hold WHERE account_id = w.account_id AND amount > 0
    ORDER BY request_id LIMIT $2) h ON w.held > 0
LEFT JOIN api_key k ON k.id = h.key_id LEFT JOIN task t ON t.request_id = h.request_id
WHERE w.account_id = $1 ORDER BY h.request_id
