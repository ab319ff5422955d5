-- A dispute takes a top-up's whole match back, also where refunds had returned all of the payment before: then nothing of the lot leaves.
ALTER TABLE reward_return DROP CONSTRAINT reward_return_amount_check;
ALTER TABLE reward_return ADD CONSTRAINT reward_return_amount_check CHECK (amount >= 0);
