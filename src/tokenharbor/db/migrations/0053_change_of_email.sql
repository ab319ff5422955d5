-- A user's e-mail can be changed: by a link that is mailed to the new address, and back by one that is mailed to the old one. The address lies
-- with the link as long as the row of the link is kept.
ALTER TABLE sign_in_token
    ADD COLUMN email  text NOT NULL DEFAULT '',         -- what a link of `email` or `email_undo` makes the user's
    DROP CONSTRAINT sign_in_token_purpose_check,
    ADD CONSTRAINT sign_in_token_purpose_check CHECK (purpose IN ('verify', 'reset', 'invite', 'operator', 'email', 'email_undo')),
    ADD CHECK ((purpose IN ('email', 'email_undo')) = (email <> ''));

-- What is given once a mailbox is not given again to who had another one before, nor to whoever signs up with the one that was left.
-- (An index is built where no function of ours is found by its name: this one calls none.)
CREATE FUNCTION mailbox_digest(p_mailbox text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(convert_to(p_mailbox, 'UTF8'))
$$;

-- Mailboxes that users had. Rows are added where the address changes, so that no path forgets it.
CREATE TABLE former_mailbox (
    user_id  uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
    digest   bytea NOT NULL,
    PRIMARY KEY (user_id, digest)
);
CREATE INDEX former_mailbox_digest ON former_mailbox (digest);

CREATE FUNCTION keep_former_mailbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO former_mailbox (user_id, digest) VALUES (OLD.id, mailbox_digest(mailbox(OLD.email))) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER app_user_email_changed AFTER UPDATE OF email ON app_user FOR EACH ROW
    WHEN (OLD.email IS NOT NULL AND OLD.email IS DISTINCT FROM NEW.email) EXECUTE FUNCTION keep_former_mailbox();

-- Every mailbox that a user has or had.
DROP INDEX app_user_mailbox;
CREATE INDEX app_user_mailbox ON app_user (mailbox_digest(mailbox(email))) WHERE email IS NOT NULL;
CREATE VIEW user_mailbox AS
    SELECT id AS user_id, mailbox_digest(mailbox(email)) AS digest FROM app_user WHERE email IS NOT NULL
    UNION ALL SELECT user_id, digest FROM former_mailbox;
