-- Calls of free models.

-- name: used
-- Whether an account has turned free models on, the number of calls in its window, when that began, and its net top-ups.
SELECT a.free_models AS enabled, w.free_start AS began, w.free_requests AS requests, w.topped_up
FROM account a JOIN wallet w ON w.account_id = a.id WHERE a.id = $1
