-- What of a capture is owed as tax, in nano-USD: `captured` is the credit, without it; `captured_minor` is what was paid, with it.
ALTER TABLE capture ADD COLUMN tax bigint NOT NULL DEFAULT 0 CHECK (tax >= 0);
CREATE INDEX posting_tax ON posting (entry_id) WHERE 'payable/tax' IN (source, destination);
