-- Calls that were refused before anything was held, so that they have no receipt: how many of each key and code in an hour (UTC). Gateways add
-- what they have counted; each names some hundred keys of an account in an hour, and counts the others under none. Kept for a week.
CREATE TABLE refused_call (
    account_id  uuid NOT NULL REFERENCES account,
    hour        timestamptz NOT NULL,
    key_id      uuid,                           -- NULL: of other keys
    code        text NOT NULL,                  -- of the error
    calls       bigint NOT NULL CHECK (calls > 0),
    UNIQUE NULLS NOT DISTINCT (account_id, hour, key_id, code)
) WITH (fillfactor = 80);
CREATE INDEX refused_call_hour ON refused_call (hour);
