-- Who recorded the outcome of a refund or withdrawal that is paid by hand.
ALTER TABLE refund ADD COLUMN settled_by text;
ALTER TABLE withdrawal ADD COLUMN settled_by text;
