-- The semantic cache of an account: whether it is on, how its answers compared with the provider's, and what that cost the operator.
-- No question, answer or vector is here.

ALTER TABLE account
    ADD COLUMN semantic_cache text NOT NULL DEFAULT 'off' CHECK (semantic_cache IN ('off', 'on', 'stopped')),
    ADD COLUMN semantic_compared integer NOT NULL DEFAULT 0 CHECK (semantic_compared >= 0),  -- since it was turned on, as far as it matters
    ADD COLUMN semantic_recent bigint NOT NULL DEFAULT 0,                                    -- the newest 50: 1 where they disagreed
    ADD COLUMN semantic_epoch integer NOT NULL DEFAULT 0,                                    -- grows with each disagreement
    ADD COLUMN semantic_stopped_at timestamptz;

CREATE TRIGGER account_semantic_numbered AFTER UPDATE ON account FOR EACH ROW
    WHEN ((OLD.semantic_cache, OLD.semantic_compared, OLD.semantic_epoch) IS DISTINCT FROM (NEW.semantic_cache, NEW.semantic_compared, NEW.semantic_epoch))
    EXECUTE FUNCTION number_account_change();
CREATE TRIGGER account_semantic_audited AFTER UPDATE OF semantic_cache ON account
    FOR EACH ROW EXECUTE FUNCTION audit_row('account', '', 'semantic_cache');

-- Answers that a caller has reported as wrong: each counts once.
CREATE TABLE semantic_report (
    request_id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account (id),
    at         timestamptz NOT NULL
);

-- What comparisons of given answers cost the operator, by UTC day: what is held for those that go on, and what was spent.
CREATE TABLE comparison_day (
    day  date PRIMARY KEY,
    held bigint NOT NULL CHECK (held >= 0),
    cost bigint NOT NULL CHECK (cost >= 0)
);

-- The same by provider: owed to it, and an expense of the operator's own.
CREATE TABLE comparison_cost (
    day      date NOT NULL REFERENCES comparison_day (day),
    provider text NOT NULL,
    requests bigint NOT NULL CHECK (requests >= 0),
    cost     bigint NOT NULL CHECK (cost >= 0),
    PRIMARY KEY (day, provider)
);
