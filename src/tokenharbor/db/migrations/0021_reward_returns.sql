-- What of rewards went back with a top-up's money: of a refund, withdrawal or dispute, by its id. `amount` is what of the top-up's lot
-- left, `reversed` the cashback that was taken back for it.
CREATE TABLE reward_return (
    return_id      uuid PRIMARY KEY,
    account_id     uuid NOT NULL REFERENCES account,
    lot_id         uuid NOT NULL REFERENCES lot,
    amount         bigint NOT NULL CHECK (amount > 0),
    reversed       bigint NOT NULL CHECK (reversed >= 0),
    at             timestamptz NOT NULL,
    given_back_at  timestamptz                  -- the refund failed, the dispute was won
);
