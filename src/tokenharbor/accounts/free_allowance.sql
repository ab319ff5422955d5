-- Calls of free models.

-- name: used
-- Whether an account has turned free models on, how many it called in its window, and when that began; and its top-ups, net.
SELECT a.free_models AS enabled, w.free_start AS began, w.free_requests AS requests, w.topped_up
FROM account a JOIN wallet w ON w.account_id = a.id WHERE a.id = $1
