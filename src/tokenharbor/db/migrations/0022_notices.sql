-- Alerts: what customers are told of their accounts, once a period each, and how it is delivered. Addresses lie in
-- `app_user` and `alert_webhook`, which can be erased.

-- What an account wants to be told. `is_low`: it was below the threshold when a job looked last.
CREATE TABLE alert_preference (
    account_id   uuid PRIMARY KEY REFERENCES account,
    mail         boolean NOT NULL DEFAULT true,
    low_balance  bigint CHECK (low_balance > 0),    -- NULL: none is wanted
    is_low       boolean NOT NULL DEFAULT false,
    changed_at   timestamptz NOT NULL
);

-- Where notices of an account are posted, and what signs them: a sealed secret. Erasable.
CREATE TABLE alert_webhook (
    account_id   uuid PRIMARY KEY REFERENCES account,
    url          text NOT NULL,
    sealed       bytea NOT NULL,
    seal_key_id  text NOT NULL,
    changed_at   timestamptz NOT NULL
);

-- What an account is told: of one kind, once in each period. `facts` are ids, amounts and times, never what names a person.
CREATE TABLE notice (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id  uuid NOT NULL REFERENCES account,
    kind        text NOT NULL,
    period      text NOT NULL,
    at          timestamptz NOT NULL,
    facts       jsonb NOT NULL,
    UNIQUE (account_id, kind, period)
);
CREATE INDEX notice_account ON notice (account_id, at);

-- A notice on its way by one channel.
CREATE TABLE notice_delivery (
    notice_id     uuid NOT NULL REFERENCES notice ON DELETE CASCADE,
    channel       text NOT NULL CHECK (channel IN ('mail', 'webhook')),
    state         text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'failed', 'off')),
    tries         int NOT NULL DEFAULT 0,
    next_look_at  timestamptz,                      -- NULL: nobody looks any more
    sent_at       timestamptz,
    fault         text NOT NULL DEFAULT '',
    PRIMARY KEY (notice_id, channel),
    CHECK ((state = 'waiting') = (next_look_at IS NOT NULL)),
    CHECK ((state = 'sent') = (sent_at IS NOT NULL))
);
CREATE INDEX notice_delivery_due ON notice_delivery (next_look_at) WHERE next_look_at IS NOT NULL;

CREATE FUNCTION deliver_notice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notice_delivery (notice_id, channel, next_look_at) VALUES (NEW.id, 'mail', NEW.at), (NEW.id, 'webhook', NEW.at);
    RETURN NULL;
END $$;
CREATE TRIGGER notice_delivered AFTER INSERT ON notice FOR EACH ROW EXECUTE FUNCTION deliver_notice();

-- What one transaction does is told by the same transaction, whoever runs it.
CREATE FUNCTION tell_top_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notice (account_id, kind, period, at, facts)
    VALUES (NEW.account_id, CASE WHEN NEW.automatic THEN 'auto_top_up_made' ELSE 'top_up_received' END, NEW.id::text, NEW.paid_at,
            jsonb_build_object('top_up_id', NEW.id, 'amount_minor', NEW.amount_minor, 'currency', NEW.currency, 'pretended', NEW.pretended,
                               'credit_nano', coalesce((SELECT captured FROM capture WHERE top_up_id = NEW.id), NEW.credit)))
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER top_up_told AFTER UPDATE OF state ON top_up
    FOR EACH ROW WHEN (OLD.state <> 'paid' AND NEW.state = 'paid') EXECUTE FUNCTION tell_top_up();

CREATE FUNCTION tell_auto_top_up_stop() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notice (account_id, kind, period, at, facts)
    VALUES (NEW.account_id, 'auto_top_up_stopped', (NEW.stopped_at AT TIME ZONE 'UTC')::text, NEW.stopped_at, jsonb_build_object('reason', NEW.stop_reason))
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER auto_top_up_told AFTER UPDATE OF enabled ON auto_top_up
    FOR EACH ROW WHEN (OLD.enabled AND NOT NEW.enabled AND NEW.stopped_at IS NOT NULL) EXECUTE FUNCTION tell_auto_top_up_stop();

-- What a job looks through for alerts.
CREATE INDEX account_budgeted ON account (id) WHERE daily IS NOT NULL OR monthly IS NOT NULL;
CREATE INDEX api_key_quota ON api_key (id) WHERE quota IS NOT NULL AND revoked_at IS NULL;
CREATE INDEX lot_expiry ON lot (expires_at) WHERE expires_at IS NOT NULL;
