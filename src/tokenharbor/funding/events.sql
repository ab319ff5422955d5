-- Processor events.

-- name: add
-- Adds an event; no row if it is there.
INSERT INTO processor_event (processor, event_id, kind, subject, object_id, top_up_id, at, received_at, next_look_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
ON CONFLICT DO NOTHING RETURNING event_id

-- name: claim
-- Claims events that are due and sets the time of the next try, so that a try is repeated if its process dies.
UPDATE processor_event SET looks = looks + 1, next_look_at = $1 + CASE looks
    WHEN 0 THEN interval '15 seconds' WHEN 1 THEN interval '1 minute' WHEN 2 THEN interval '5 minutes' ELSE interval '1 hour' END
WHERE (processor, event_id) IN (SELECT processor, event_id FROM processor_event WHERE next_look_at <= $1
                                ORDER BY next_look_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING processor, event_id, kind, subject, object_id, top_up_id, at

-- name: set_handled
-- Marks an event as handled, with a note.
UPDATE processor_event SET handled_at = $3, next_look_at = NULL, fault = $4 WHERE processor = $1 AND event_id = $2

-- name: set_fault
-- Stores why handling failed. An event that was received before $4 is not tried again.
UPDATE processor_event SET fault = $3, next_look_at = CASE WHEN received_at > $4 THEN next_look_at END WHERE processor = $1 AND event_id = $2

-- name: swept_until
-- The time until which a processor's events have been listed.
SELECT swept_until FROM processor_sweep WHERE processor = $1

-- name: set_swept
-- Sets that time; also backwards, if a clock was ahead.
INSERT INTO processor_sweep (processor, swept_until) VALUES ($1, $2)
ON CONFLICT (processor) DO UPDATE SET swept_until = excluded.swept_until
