-- What is given once to people is not given again to who has left the account that had it. Rows are added where a membership ends, so that no path
-- forgets it.
CREATE TABLE former_member (
    account_id  uuid NOT NULL REFERENCES account,
    user_id     uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
    PRIMARY KEY (account_id, user_id)
);
CREATE INDEX former_member_user ON former_member (user_id);

CREATE FUNCTION keep_former_member() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO former_member (account_id, user_id) SELECT OLD.account_id, u.id FROM app_user u WHERE u.id = OLD.user_id ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER membership_ended AFTER DELETE ON membership FOR EACH ROW EXECUTE FUNCTION keep_former_member();

-- Who left before this, as the audit log knows them: by their shown id.
INSERT INTO former_member (account_id, user_id)
    SELECT DISTINCT c.account_id, u.id FROM account_change c JOIN app_user u ON show_id('user', u.id) = c.subject
    WHERE c.field = 'role' AND c.after = '' AND c.before <> '' AND c.account_id IS NOT NULL;

-- Everybody who is (`here`) or was a member.
CREATE VIEW account_person AS
    SELECT account_id, user_id, true AS here FROM membership UNION ALL SELECT account_id, user_id, false FROM former_member;
