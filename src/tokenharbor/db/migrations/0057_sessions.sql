-- Which requests of an account are one session, and what each stage of work used by day. Both stand in details; what is found by them stands
-- beside, written with the row. Requests of before have neither.

ALTER TABLE request
    ADD COLUMN session  text,       -- a keyed hash of what the client calls it
    ADD COLUMN stage    text;       -- of a request whose model stood for many

CREATE INDEX request_session ON request (account_id, session, id) WHERE session IS NOT NULL;
CREATE INDEX request_stage ON request (account_id, id) WHERE stage IS NOT NULL;

-- A detail as a gateway writes it has no space between its tokens, and quotes within a string are escaped: so a key with its quotes is found by
-- its bytes. What stands behind these keys is ASCII.
CREATE FUNCTION name_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.session := split_part(encode(substr(NEW.detail, nullif(position('"session":"' IN NEW.detail), 0) + 11, 40), 'escape'), '"', 1);
    NEW.stage := split_part(encode(substr(NEW.detail, nullif(position('"stage":"' IN NEW.detail), 0) + 9, 40), 'escape'), '"', 1);
    RETURN NEW;
END $$;

CREATE TRIGGER request_named BEFORE INSERT ON request FOR EACH ROW
WHEN (position('"session":"' IN NEW.detail) > 0 OR position('"stage":"' IN NEW.detail) > 0) EXECUTE FUNCTION name_request();

-- Sums of a day, beside those of hours.
CREATE TABLE stage_day (
    account_id  uuid NOT NULL,
    day         date NOT NULL,          -- UTC
    stage       text NOT NULL,
    requests    bigint NOT NULL,
    charge      bigint NOT NULL,
    PRIMARY KEY (account_id, day, stage)
);
CREATE INDEX stage_day_by_day ON stage_day (day);

-- The entries that an account's mark has passed. Of an account without stages the index is empty between the first and the last of them.
CREATE FUNCTION add_stages() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids CONSTANT uuid[] := ARRAY(SELECT e.id FROM entry e WHERE e.account_id = NEW.account_id AND e.seq > OLD.seq AND e.seq <= NEW.seq
                                     AND e.type = 'usage' ORDER BY e.id);
BEGIN
    INSERT INTO stage_day AS d
    SELECT NEW.account_id, (e.at AT TIME ZONE 'UTC')::date, r.stage, count(*), sum(e.amount)
    FROM (SELECT id, stage FROM request
          WHERE account_id = NEW.account_id AND stage IS NOT NULL AND id BETWEEN ids[1] AND ids[cardinality(ids)] OFFSET 0) r
    JOIN entry e ON e.id = r.id AND e.account_id = NEW.account_id AND e.seq > OLD.seq AND e.seq <= NEW.seq AND e.type = 'usage'
    GROUP BY 2, 3 ORDER BY 2, 3
    ON CONFLICT (account_id, day, stage) DO UPDATE SET requests = d.requests + excluded.requests, charge = d.charge + excluded.charge;
    RETURN NULL;
END $$;

CREATE TRIGGER stages_added AFTER UPDATE OF seq ON usage_mark FOR EACH ROW WHEN (NEW.seq > OLD.seq) EXECUTE FUNCTION add_stages();
