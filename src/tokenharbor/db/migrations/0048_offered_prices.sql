-- Which price each endpoint had, and from when on: what pages show as the prices before today's. A row for each change.
CREATE TABLE offered_price (
    endpoint      text NOT NULL,                -- provider/model:wire; what has sizes or qualities, with each of them
    since         timestamptz NOT NULL,
    version       bytea NOT NULL REFERENCES price (version),
    PRIMARY KEY (endpoint, since)
);
