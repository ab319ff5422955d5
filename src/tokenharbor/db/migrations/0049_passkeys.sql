-- Passkeys: what somebody's device or password manager signs them in with. Of each only the public half lies here.
CREATE TABLE passkey (
    id          uuid PRIMARY KEY,
    user_id     uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
    credential  bytea NOT NULL UNIQUE CHECK (octet_length(credential) BETWEEN 1 AND 1023),  -- its id, as the authenticator made it
    public_key  bytea NOT NULL,                             -- COSE
    sign_count  bigint NOT NULL,                            -- rises with each use, or stays 0
    name        text NOT NULL,
    created_at  timestamptz NOT NULL,
    used_at     timestamptz
);
CREATE INDEX passkey_user ON passkey (user_id, created_at);

-- What an authenticator is to sign, once: so that this user gets a passkey, or (NULL) so that somebody is signed in.
CREATE TABLE passkey_challenge (
    hash        bytea PRIMARY KEY,
    user_id     uuid REFERENCES app_user ON DELETE CASCADE,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX passkey_challenge_expires ON passkey_challenge (expires_at);
