-- Until when requests have been looked through for accounts that use a model whose price changes.
CREATE TABLE price_change_look (
    model         text NOT NULL,
    since         timestamptz NOT NULL,         -- from when the coming price holds
    looked_until  timestamptz NOT NULL,
    PRIMARY KEY (model, since)
);
