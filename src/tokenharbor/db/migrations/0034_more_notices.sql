-- Disputes and withdrawals are told by the transaction that changes them, and models that are retired as prices that change.

CREATE FUNCTION tell_dispute() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notice (account_id, kind, period, at, facts)
    VALUES (NEW.account_id, 'dispute_' || NEW.state, NEW.id::text, coalesce(NEW.ended_at, NEW.opened_at),
            jsonb_build_object('dispute_id', NEW.id, 'top_up_id', NEW.top_up_id, 'amount_minor', NEW.amount_minor, 'currency', NEW.currency,
                               'pretended', (SELECT pretended FROM top_up WHERE id = NEW.top_up_id)))
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER dispute_told AFTER INSERT OR UPDATE OF state ON dispute
    FOR EACH ROW WHEN (NEW.state IN ('opened', 'won', 'lost')) EXECUTE FUNCTION tell_dispute();

-- A withdrawal that needs no approval is told when it is asked for, too: who stole a session must not pay out unseen.
CREATE FUNCTION tell_withdrawal() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told CONSTANT text := CASE TG_OP WHEN 'INSERT' THEN 'asked' ELSE NEW.state END;
BEGIN
    INSERT INTO notice (account_id, kind, period, at, facts)
    VALUES (NEW.account_id, 'withdrawal_' || told, NEW.id::text,
            coalesce(NEW.ended_at, CASE WHEN told <> 'asked' THEN NEW.decided_at END, NEW.asked_at),
            jsonb_build_object('withdrawal_id', NEW.id, 'amount_minor', NEW.amount_minor, 'currency', NEW.currency, 'credit_nano', NEW.amount,
                               'pretended', NEW.pretended))
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER withdrawal_asked_told AFTER INSERT ON withdrawal FOR EACH ROW EXECUTE FUNCTION tell_withdrawal();
CREATE TRIGGER withdrawal_told AFTER UPDATE OF state ON withdrawal
    FOR EACH ROW WHEN (OLD.state <> NEW.state AND NEW.state IN ('approved', 'done', 'failed', 'rejected')) EXECUTE FUNCTION tell_withdrawal();

ALTER TABLE price_change_look RENAME TO model_change_look;
ALTER TABLE model_change_look ADD COLUMN kind text NOT NULL DEFAULT 'price_change', DROP CONSTRAINT price_change_look_pkey,
    ADD PRIMARY KEY (model, kind, since);
ALTER TABLE model_change_look ALTER COLUMN kind DROP DEFAULT;
DROP INDEX notice_price_change;
CREATE INDEX notice_model_change ON notice (at) WHERE kind IN ('price_change', 'model_retirement');
DELETE FROM job WHERE name = 'price_changes';
