-- Mails in the language of who reads them, and the code of why auto top-up was stopped in its notice, for words in other languages.
ALTER TABLE app_user ADD COLUMN seen_locale text NOT NULL DEFAULT '';  -- in which the pages were used last; mails follow it where `locale` is ''

CREATE OR REPLACE FUNCTION tell_auto_top_up_stop() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notice (account_id, kind, period, at, facts)
    VALUES (NEW.account_id, 'auto_top_up_stopped', (NEW.stopped_at AT TIME ZONE 'UTC')::text, NEW.stopped_at,
            jsonb_build_object('reason', NEW.stop_reason, 'code', NEW.stop_code))
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
