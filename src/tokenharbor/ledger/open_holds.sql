-- What an account has on hold.

-- name: open_holds
-- The oldest holds of an account that hold something, by request ids, which are in the order of time; how many there are, and what all hold,
-- of one moment. Holds have no index by account: only those of requests that are open are in their table, and it is looked at only where
-- something is held. A model is in the books before a request has ended only where it is a task.
SELECT w.held, h.request_id, h.key_id, k.name AS key_name, t.model, h.amount, h.open, coalesce(h.count, 0) AS count
FROM wallet w LEFT JOIN LATERAL (
    SELECT request_id, key_id, amount, open, count(*) OVER () AS count FROM hold WHERE account_id = w.account_id AND amount > 0
    ORDER BY request_id LIMIT $2) h ON w.held > 0
LEFT JOIN api_key k ON k.id = h.key_id LEFT JOIN task t ON t.request_id = h.request_id
WHERE w.account_id = $1 ORDER BY h.request_id
