-- A rate far from the one before it waits for a second person, as a large payment does; until then the one before stays in force.
ALTER TABLE exchange_rate ADD COLUMN waits boolean NOT NULL DEFAULT false, ADD COLUMN confirmed_by text;
