-- Money in the audit log: top-ups, refunds, withdrawals, the welcome grant, codes, saved methods. And who stops auto top-up.

-- As before, but a row's own `actor` counts only where the row says that somebody has changed it now: it was added, or its `changed_at` is another.
CREATE OR REPLACE FUNCTION audit_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    known jsonb := coalesce(after, before);
    at timestamptz := coalesce(nullif(current_setting('tokenharbor.at', true), '')::timestamptz, clock_timestamp());
    actor text := coalesce(nullif(current_setting('tokenharbor.actor', true), ''),
        CASE WHEN TG_OP = 'INSERT' OR before ->> 'changed_at' IS DISTINCT FROM after ->> 'changed_at' THEN known ->> 'actor' END,
        CASE current_setting('application_name') WHEN 'tokenharbor-command' THEN 'operator' ELSE 'server' END);
    subject text := CASE WHEN TG_ARGV[1] = '' THEN '' ELSE show_id(TG_ARGV[1], (known ->> 'id')::uuid) END;
    account uuid := CASE WHEN TG_TABLE_NAME = 'account' THEN known ->> 'id' ELSE known ->> 'account_id' END;
    columns text[] := TG_ARGV[2:];
    name text;
    was text;
    becomes text;
    whole text;
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        SELECT jsonb_strip_nulls(jsonb_object_agg(replace(c, ':', '_'), audit_value(known, c)))::text INTO whole FROM unnest(columns) c;
        columns := ARRAY[''];
    END IF;
    FOREACH name IN ARRAY columns LOOP
        was := coalesce(CASE TG_OP WHEN 'UPDATE' THEN audit_value(before, name) WHEN 'DELETE' THEN whole END, '');
        becomes := coalesce(CASE TG_OP WHEN 'UPDATE' THEN audit_value(after, name) WHEN 'INSERT' THEN whole END, '');
        IF was <> becomes THEN
            INSERT INTO account_change (id, account_id, at, actor, field, before, after, subject, address)
            VALUES (id_at(at), account, at, actor, TG_ARGV[0] || CASE WHEN name = '' THEN '' ELSE '.' || replace(name, ':', '_') END, was, becomes,
                    subject, nullif(current_setting('tokenharbor.address', true), '')::inet);
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- Auto top-up stops itself, whoever's refund, withdrawal or dispute it stops for: nobody switched it off.
CREATE FUNCTION audit_auto_top_up_stop() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO account_change (id, account_id, at, actor, field, before, after, wording, subject)
    VALUES (id_at(NEW.stopped_at), NEW.account_id, NEW.stopped_at, 'auto-topup', 'auto_top_up.enabled', 'true', 'false', NEW.stop_reason, '');
    RETURN NULL;
END $$;

DROP TRIGGER auto_top_up_audited ON auto_top_up;
CREATE TRIGGER auto_top_up_added AFTER INSERT ON auto_top_up
    FOR EACH ROW EXECUTE FUNCTION audit_row('auto_top_up', '', 'enabled', 'processor', 'threshold:usd', 'amount:usd', 'month_most:usd');
CREATE TRIGGER auto_top_up_changed AFTER UPDATE OF enabled, processor, threshold, amount, month_most ON auto_top_up
    FOR EACH ROW WHEN (NOT (OLD.enabled AND NOT NEW.enabled AND NEW.stopped_at IS NOT NULL))
    EXECUTE FUNCTION audit_row('auto_top_up', '', 'enabled', 'processor', 'threshold:usd', 'amount:usd', 'month_most:usd');
CREATE TRIGGER auto_top_up_stopped AFTER UPDATE OF enabled ON auto_top_up
    FOR EACH ROW WHEN (OLD.enabled AND NOT NEW.enabled AND NEW.stopped_at IS NOT NULL) EXECUTE FUNCTION audit_auto_top_up_stop();

-- What a processor calls a payer's method opens nothing, but it is not needed here either.
CREATE TRIGGER saved_method_audited AFTER INSERT OR UPDATE OR DELETE ON saved_method
    FOR EACH ROW EXECUTE FUNCTION audit_row('saved_method', '', 'processor', 'saved_at');
CREATE TRIGGER top_up_opened AFTER INSERT ON top_up
    FOR EACH ROW EXECUTE FUNCTION audit_row('top_up', 'topup', 'state', 'processor', 'method', 'currency', 'credit:usd', 'save_method');
CREATE TRIGGER top_up_credited AFTER UPDATE OF state ON top_up
    FOR EACH ROW WHEN (NEW.state = 'paid') EXECUTE FUNCTION audit_row('top_up', 'topup', 'state');
CREATE TRIGGER refund_asked AFTER INSERT ON refund FOR EACH ROW WHEN (NEW.origin <> 'withdrawal')
    EXECUTE FUNCTION audit_row('refund', 'refund', 'state', 'origin', 'processor', 'amount:usd');
CREATE TRIGGER refund_ended AFTER UPDATE OF state ON refund
    FOR EACH ROW WHEN (NEW.origin <> 'withdrawal' AND NEW.state IN ('done', 'failed', 'rejected')) EXECUTE FUNCTION audit_row('refund', 'refund', 'state');
CREATE TRIGGER withdrawal_asked AFTER INSERT ON withdrawal
    FOR EACH ROW EXECUTE FUNCTION audit_row('withdrawal', 'withdrawal', 'state', 'processor', 'amount:usd');
CREATE TRIGGER withdrawal_ended AFTER UPDATE OF state ON withdrawal
    FOR EACH ROW WHEN (NEW.state IN ('done', 'failed', 'rejected', 'cancelled')) EXECUTE FUNCTION audit_row('withdrawal', 'withdrawal', 'state');

-- Whoever turns a withdrawal down says whether it is rejected or cancelled: its refund has one word for both.
DROP TRIGGER refund_followed ON refund;
CREATE TRIGGER refund_followed AFTER UPDATE OF state, fault ON refund
    FOR EACH ROW WHEN (NEW.origin = 'withdrawal' AND NEW.state <> 'rejected') EXECUTE FUNCTION follow_refund();

-- What an account asks for, or gets by a code. Rewards that follow from use are in the ledger: nobody asks for them.
CREATE TRIGGER welcome_claimed AFTER INSERT ON reward
    FOR EACH ROW WHEN (NEW.kind = 'welcome') EXECUTE FUNCTION audit_row('welcome_grant', 'rew', 'state', 'amount:usd', 'reason');
CREATE TRIGGER code_redeemed AFTER INSERT ON reward
    FOR EACH ROW WHEN (NEW.kind = 'code') EXECUTE FUNCTION audit_row('code', 'rew', 'state', 'amount:usd', 'reason');
CREATE TRIGGER reward_decided AFTER UPDATE OF state ON reward
    FOR EACH ROW WHEN (NEW.kind IN ('welcome', 'referral')) EXECUTE FUNCTION audit_row('reward', 'rew', 'state', 'amount:usd');
