-- A return of a top-up's money may be undone and made again: each time is a turn of its own, and so are the entries of its rewards.
ALTER TABLE reward_return ADD COLUMN turn int NOT NULL DEFAULT 0;
