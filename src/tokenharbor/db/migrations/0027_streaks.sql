-- A reward for each day on which an account was billed.
ALTER TABLE reward DROP CONSTRAINT reward_kind_check,
    ADD CONSTRAINT reward_kind_check CHECK (kind IN ('welcome', 'match', 'referral', 'cashback', 'code', 'streak'));
