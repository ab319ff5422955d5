-- How often each endpoint answered in a day (UTC), of what it was asked: what public pages show a share of. No account is named. Gateways add
-- what they have counted; a stream that breaks off after a count was written is taken off `answered` by a later one.
CREATE TABLE endpoint_day (
    day           date NOT NULL,
    endpoint      text NOT NULL,                -- provider/model:wire
    answered      bigint NOT NULL,
    failed        bigint NOT NULL,              -- by a fault of the endpoint
    PRIMARY KEY (day, endpoint)
) WITH (fillfactor = 80);

-- Totals over months are added up where they are read.
DROP FUNCTION usage_in(uuid, timestamptz, timestamptz);
