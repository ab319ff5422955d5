-- People and their access: passwords, sessions, tokens in mails, roles, management keys, one audit log. No secret that opens anything
-- lies here in clear: passwords are slow hashes, tokens and keys are keyed hashes, what must be read again is sealed.

-- Personal data lies in `app_user` only, so that it can be erased; sessions and audit hold addresses for a while.
ALTER TABLE app_user
    ADD COLUMN password     text NOT NULL DEFAULT '',       -- argon2; '': none
    ADD COLUMN verified_at  timestamptz,                    -- NULL: nobody has shown that the e-mail is theirs
    ADD COLUMN locale       text NOT NULL DEFAULT '',       -- '': as the browser says
    ADD COLUMN operator     boolean NOT NULL DEFAULT false,
    ADD COLUMN totp         bytea,                          -- the sealed secret of an authenticator app
    ADD COLUMN totp_key_id  text,                           -- which derived secret sealed it
    ADD COLUMN totp_at      timestamptz,                    -- since when it is asked for; NULL: set up, not yet confirmed
    ADD COLUMN totp_last    bigint NOT NULL DEFAULT 0,      -- the last code's counter: no code is taken twice
    ADD CHECK ((totp IS NULL) = (totp_key_id IS NULL)),
    ADD CHECK (totp_at IS NULL OR totp IS NOT NULL);
UPDATE app_user SET operator = true WHERE email = 'operator@localhost';

-- What a second factor is replaced by, once each.
CREATE TABLE recovery_code (
    user_id  uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
    hash     bytea NOT NULL,
    used_at  timestamptz,
    PRIMARY KEY (user_id, hash)
);

UPDATE membership SET role = 'developer' WHERE role = 'member';
ALTER TABLE membership ADD CHECK (role IN ('owner', 'admin', 'developer', 'billing', 'viewer'));

CREATE TABLE user_session (
    id          uuid PRIMARY KEY,
    hash        bytea NOT NULL UNIQUE,
    user_id     uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
    created_at  timestamptz NOT NULL,
    seen_at     timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,                       -- whatever is done with it until then
    ended_at    timestamptz,
    address     inet,
    agent       text NOT NULL DEFAULT ''
);
CREATE INDEX user_session_user ON user_session (user_id, created_at);

-- What a link in a mail, or a line of the first run, carries. Each opens once, for one purpose.
CREATE TABLE sign_in_token (
    id          uuid PRIMARY KEY,
    hash        bytea NOT NULL UNIQUE,
    purpose     text NOT NULL CHECK (purpose IN ('verify', 'reset', 'invite', 'operator')),
    user_id     uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    ended_at    timestamptz,                                -- used, or replaced, or taken back
    password    text NOT NULL DEFAULT '',                   -- of a sign-up: set by whoever opens this link, and by no other
    referral    text NOT NULL DEFAULT '',
    account_id  uuid REFERENCES account,                    -- of an invitation, as the next two
    role        text CHECK (role IN ('owner', 'admin', 'developer', 'billing', 'viewer')),
    invited_by  text NOT NULL DEFAULT '',
    CHECK ((purpose = 'invite') = (account_id IS NOT NULL)),
    CHECK ((account_id IS NULL) = (role IS NULL))
);
CREATE INDEX sign_in_token_user ON sign_in_token (user_id);
CREATE INDEX sign_in_token_account ON sign_in_token (account_id) WHERE account_id IS NOT NULL;

-- How often something was tried in a window, over all processes. A subject is a keyed hash: it names nobody.
CREATE TABLE sign_in_attempt (
    scope     text NOT NULL,
    subject   bytea NOT NULL,
    began_at  timestamptz NOT NULL,
    attempts  int NOT NULL,
    PRIMARY KEY (scope, subject)
);
CREATE INDEX sign_in_attempt_began ON sign_in_attempt (began_at);

-- Mails to one user. Subject and body are sealed, since they carry tokens; they are dropped once sent.
CREATE TABLE user_mail (
    id            uuid PRIMARY KEY,
    user_id       uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
    kind          text NOT NULL,
    at            timestamptz NOT NULL,
    sealed        bytea,
    seal_key_id   text NOT NULL,
    state         text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'kept', 'failed')),
    tries         int NOT NULL DEFAULT 0,
    next_look_at  timestamptz,                              -- NULL: nobody looks any more
    sent_at       timestamptz,
    fault         text NOT NULL DEFAULT '',
    CHECK ((state = 'waiting') = (next_look_at IS NOT NULL)),
    CHECK ((state = 'sent') = (sent_at IS NOT NULL)),
    CHECK ((state = 'sent') = (sealed IS NULL))
);
CREATE INDEX user_mail_due ON user_mail (next_look_at) WHERE next_look_at IS NOT NULL;
CREATE INDEX user_mail_at ON user_mail (at);

-- A program's way into the control API, for one account.
CREATE TABLE management_key (
    id           uuid PRIMARY KEY,
    account_id   uuid NOT NULL REFERENCES account,
    created_by   uuid REFERENCES app_user,                  -- NULL: the operator, by command, or a management key
    hash         bytea NOT NULL UNIQUE,
    hash_key_id  text NOT NULL,
    first4       text NOT NULL,
    last4        text NOT NULL,
    name         text NOT NULL,
    role         text NOT NULL CHECK (role IN ('admin', 'developer', 'billing', 'viewer')),
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    revoked_at   timestamptz
);
CREATE INDEX management_key_account ON management_key (account_id, created_at);

-- The audit log: of an account, or of a user. `subject` is the shown id of what was changed, where that is not the account itself.
ALTER TABLE account_change
    ALTER COLUMN account_id DROP NOT NULL,
    ADD COLUMN user_id  uuid REFERENCES app_user ON DELETE CASCADE,
    ADD COLUMN subject  text NOT NULL DEFAULT '',
    ADD COLUMN address  inet,
    ADD CHECK (num_nonnulls(account_id, user_id) = 1);
CREATE INDEX account_change_user ON account_change (user_id, at) WHERE user_id IS NOT NULL;
CREATE INDEX account_change_address ON account_change (at) WHERE address IS NOT NULL;
