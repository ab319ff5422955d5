-- Tools that ask for an API key of their own: by a code that somebody types into a page (RFC 8628), or by a page that sends the browser back
-- to the tool (PKCE). What opens something is stored as a keyed hash; the key is made when the tool fetches it, and is stored nowhere.
CREATE TABLE tool_connection (
    id              uuid PRIMARY KEY,
    name            text NOT NULL,              -- as the tool calls itself
    secret_hash     bytea NOT NULL UNIQUE,      -- of the device code, or of the code that the browser brings
    user_code_hash  bytea UNIQUE,               -- NULL: it began with the consent
    challenge       text NOT NULL DEFAULT '',   -- of PKCE; '': none
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    account_id      uuid REFERENCES account,    -- NULL: nobody has agreed yet
    agreed_by       text NOT NULL DEFAULT '',   -- a shown id
    quota           bigint CHECK (quota > 0),
    daily           bigint CHECK (daily > 0),
    monthly         bigint CHECK (monthly > 0),
    key_expires_at  timestamptz,
    ended_at        timestamptz                 -- fetched, or refused
);
CREATE INDEX tool_connection_expires ON tool_connection (expires_at);
