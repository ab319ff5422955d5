-- Codes beside sentences: why auto top-up was stopped, and why a notice was not delivered. Rows of before have none: their sentence is shown.

ALTER TABLE auto_top_up ADD COLUMN stop_code text NOT NULL DEFAULT '';
ALTER TABLE notice_delivery ADD COLUMN fault_code text NOT NULL DEFAULT '';
ALTER TABLE notice_delivery ADD COLUMN fault_status int;  -- of a webhook's answer
