-- An account's requests, one by one.

-- name: request_page
-- A page of an account's requests between two ids, in order of id.
SELECT id, at, key_id, model, provider, status, detail FROM request
WHERE account_id = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT $4

-- name: charges
-- The charges of some requests, whose ids are all in [$2, $3].
SELECT id, amount, fee FROM entry WHERE id = ANY ($1) AND id BETWEEN $2 AND $3 AND type = 'usage'
