-- Whether a payer agreed, at this top-up, to later charges without them.
ALTER TABLE top_up ADD COLUMN save_method boolean NOT NULL DEFAULT false;
