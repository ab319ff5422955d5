-- A refund that is made is told by the transaction that makes it.
CREATE FUNCTION tell_refund() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notice (account_id, kind, period, at, facts)
    VALUES (NEW.account_id, 'refund_made', NEW.id::text, coalesce(NEW.ended_at, NEW.asked_at),
            jsonb_build_object('refund_id', NEW.id, 'top_up_id', NEW.top_up_id, 'amount_minor', NEW.amount_minor, 'currency', NEW.currency,
                               'pretended', (SELECT pretended FROM top_up WHERE id = NEW.top_up_id)))
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER refund_told AFTER INSERT OR UPDATE OF state ON refund
    FOR EACH ROW WHEN (NEW.state = 'done') EXECUTE FUNCTION tell_refund();
