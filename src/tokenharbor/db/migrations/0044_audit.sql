-- The audit log is written where rows change, so that no path, command or job forgets it. Who asks says so in its transaction
-- (`tokenharbor.actor`, `tokenharbor.address`, `tokenharbor.at`); else it is the operator, by command, or the server itself. What changes an account's
-- row by `identity/changes.py`, members and management keys write their own records.

-- As `kernel/ids.py` shows an id.
CREATE FUNCTION show_id(p_kind text, p_id uuid) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT p_kind || '_' || string_agg(substr('0123456789abcdefghijklmnopqrstuv', substring(bits FROM n * 5 + 1 FOR 5)::bit(5)::int + 1, 1), '' ORDER BY n)
    FROM (SELECT ('x' || replace(p_id::text, '-', ''))::bit(128) || B'00' AS bits) b, generate_series(0, 25) n
$$;

-- An id of a time: UUIDv7, of which the log is read in order.
CREATE FUNCTION id_at(p_at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT (lpad(to_hex(floor(extract(epoch FROM p_at) * 1000)::bigint), 12, '0') || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid
$$;

-- A column as the log has it. `amount:usd` is an amount in nano-dollars, shown as a decimal.
CREATE FUNCTION audit_value(p_row jsonb, p_column text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_column LIKE '%:usd' THEN ((p_row ->> split_part(p_column, ':', 1))::numeric / 1000000000)::numeric(30, 9)::text
        ELSE p_row ->> p_column END
$$;

-- Arguments: what a row is called, the kind of its shown id ('': it is the account's own, and is not named), and its columns.
CREATE FUNCTION audit_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    known jsonb := coalesce(after, before);
    at timestamptz := coalesce(nullif(current_setting('tokenharbor.at', true), '')::timestamptz, clock_timestamp());
    actor text := coalesce(nullif(current_setting('tokenharbor.actor', true), ''), known ->> 'actor',
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

CREATE TRIGGER api_key_added AFTER INSERT ON api_key FOR EACH ROW EXECUTE FUNCTION audit_row('key', 'key', 'name', 'models', 'providers',
    'denied_providers', 'networks', 'quota:usd', 'daily:usd', 'monthly:usd', 'rpm', 'tpm', 'concurrency', 'expires_at');
CREATE TRIGGER api_key_edited AFTER UPDATE OF name, models, providers, denied_providers, networks, quota, daily, monthly, rpm, tpm, concurrency,
    expires_at, revoked_at, deleted_at ON api_key FOR EACH ROW EXECUTE FUNCTION audit_row('key', 'key', 'name', 'models', 'providers', 'denied_providers',
    'networks', 'quota:usd', 'daily:usd', 'monthly:usd', 'rpm', 'tpm', 'concurrency', 'expires_at', 'revoked_at', 'deleted_at');
CREATE TRIGGER account_named AFTER UPDATE OF name ON account FOR EACH ROW EXECUTE FUNCTION audit_row('account', '', 'name');
CREATE TRIGGER alert_preference_audited AFTER INSERT OR UPDATE OF mail, low_balance ON alert_preference
    FOR EACH ROW EXECUTE FUNCTION audit_row('alerts', '', 'mail', 'low_balance:usd');
-- Its address may be a secret: that it changed is told, not to what.
CREATE TRIGGER alert_webhook_audited AFTER INSERT OR UPDATE OR DELETE ON alert_webhook
    FOR EACH ROW EXECUTE FUNCTION audit_row('alert_webhook', '', 'changed_at');
CREATE TRIGGER auto_top_up_audited AFTER INSERT OR UPDATE OF enabled, processor, threshold, amount, month_most ON auto_top_up
    FOR EACH ROW EXECUTE FUNCTION audit_row('auto_top_up', '', 'enabled', 'processor', 'threshold:usd', 'amount:usd', 'month_most:usd');
CREATE TRIGGER payee_audited AFTER INSERT OR UPDATE OF verified_at, removed_at ON payee
    FOR EACH ROW EXECUTE FUNCTION audit_row('payee', 'payee', 'processor', 'kind', 'verified_at', 'removed_at');
