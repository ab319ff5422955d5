-- A key that its owner deleted is revoked, and listed no more. Its row stays: requests and totals name it.
ALTER TABLE api_key ADD COLUMN deleted_at timestamptz;
