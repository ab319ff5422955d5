-- Rewards: what accounts are given beside what they pay for, each once. Amounts are nano-USD unless a comment says otherwise.
-- What an account has follows from its entries; these rows say why it was given, and what is still to be given.

-- `key` makes it once within its kind. `wanted` is the amount by the rules, `amount` what was granted within the cap for life.
CREATE TABLE reward (
    id          uuid PRIMARY KEY,
    account_id  uuid NOT NULL REFERENCES account,
    kind        text NOT NULL CHECK (kind IN ('welcome', 'match', 'referral', 'cashback', 'code')),
    key         text NOT NULL,
    state       text NOT NULL CHECK (state IN ('granted', 'review', 'refused')),
    wanted      bigint NOT NULL CHECK (wanted > 0),
    amount      bigint NOT NULL CHECK (amount BETWEEN 0 AND wanted),
    at          timestamptz NOT NULL,
    entry_id    uuid,                           -- the credit
    lot_id      uuid,
    reason      text NOT NULL DEFAULT '',       -- why it waits for an operator, or was refused
    decided_by  text,                           -- the operator
    decided_at  timestamptz,
    UNIQUE (kind, key),
    CHECK ((state = 'granted') = (entry_id IS NOT NULL AND lot_id IS NOT NULL)),
    CHECK ((state = 'granted') = (amount > 0))
);
CREATE INDEX reward_of_account ON reward (account_id, at);
CREATE INDEX reward_lot ON reward (lot_id) WHERE lot_id IS NOT NULL;

-- How far an account's usage has been looked at, and what counts for caps. `granted` is all rewards for life, gross.
CREATE TABLE reward_account (
    account_id    uuid PRIMARY KEY REFERENCES account,
    granted       bigint NOT NULL DEFAULT 0 CHECK (granted >= 0),
    seq           bigint NOT NULL DEFAULT 0,    -- of the last usage entry that was looked at
    spent         bigint NOT NULL DEFAULT 0,    -- of the wallet then
    trial_earned  bigint NOT NULL DEFAULT 0,    -- cashback on trial credit for life, in ten-thousandths of a nano-dollar
    ran_at        timestamptz NOT NULL DEFAULT '-infinity'
);
-- What was spent before there was cashback earns none.
INSERT INTO reward_account (account_id, seq, spent) SELECT account_id, seq, spent FROM wallet;

-- A first top-up that was matched. An instrument is matched once.
CREATE TABLE top_up_match (
    account_id  uuid PRIMARY KEY REFERENCES account,
    instrument  text NOT NULL UNIQUE CHECK (instrument <> ''),
    top_up_lot  uuid NOT NULL REFERENCES lot,
    match_lot   uuid NOT NULL REFERENCES lot,
    entry_id    uuid NOT NULL,
    unlocked    bigint NOT NULL DEFAULT 0 CHECK (unlocked >= 0)
);

-- Cashback of a UTC day: what was earned within the caps, in ten-thousandths of a nano-dollar, and what of it was granted.
CREATE TABLE cashback_day (
    account_id  uuid NOT NULL REFERENCES account,
    day         date NOT NULL,
    earned      bigint NOT NULL CHECK (earned >= 0),
    granted     bigint NOT NULL CHECK (granted >= 0),
    PRIMARY KEY (account_id, day)
);

-- What a top-up's lot has earned (likewise), how much of the top-up went back, and what cashback was taken back for it.
CREATE TABLE cashback_source (
    lot_id      uuid PRIMARY KEY REFERENCES lot,
    account_id  uuid NOT NULL REFERENCES account,
    earned      bigint NOT NULL DEFAULT 0 CHECK (earned >= 0),
    returned    bigint NOT NULL DEFAULT 0 CHECK (returned >= 0),
    reversed    bigint NOT NULL DEFAULT 0 CHECK (reversed >= 0)
);

CREATE TABLE referral_code (
    account_id  uuid PRIMARY KEY REFERENCES account,
    code        text NOT NULL UNIQUE
);

-- Who signed up by whose code. `unpaid`: the reward was granted before the referred account had paid anything.
CREATE TABLE referral (
    referred      uuid PRIMARY KEY REFERENCES account,
    referrer      uuid NOT NULL REFERENCES account,
    signed_up_at  timestamptz NOT NULL,
    state         text NOT NULL CHECK (state IN ('waiting', 'review', 'granted', 'refused')),
    unpaid        boolean NOT NULL DEFAULT false,
    CHECK (referred <> referrer)
);
CREATE INDEX referral_referrer ON referral (referrer, state);

-- A redemption code is shown once, when it is made; here is its digest.
CREATE TABLE code (
    id          uuid PRIMARY KEY,
    digest      bytea NOT NULL UNIQUE,
    amount      bigint NOT NULL CHECK (amount > 0),
    lasts       interval,                       -- of the credit; NULL: it does not expire
    uses        int NOT NULL CHECK (uses > 0),
    used        int NOT NULL DEFAULT 0 CHECK (used BETWEEN 0 AND uses),
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz,                    -- of the code
    revoked_at  timestamptz,
    note        text NOT NULL,
    actor       text NOT NULL
);
CREATE TABLE redemption (
    code_id     uuid NOT NULL REFERENCES code,
    account_id  uuid NOT NULL REFERENCES account,
    at          timestamptz NOT NULL,
    PRIMARY KEY (code_id, account_id)
);

-- The mailbox behind an e-mail address: without what stands after a plus sign.
CREATE FUNCTION mailbox(p_email text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT regexp_replace(p_email, '\+[^@]*@', '@')
$$;
CREATE INDEX app_user_mailbox ON app_user (mailbox(email));
