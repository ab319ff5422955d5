-- Where a tool asked from, and what it called itself: whoever is asked for consent compares it.
ALTER TABLE tool_connection
    ADD COLUMN address  inet,                           -- NULL: not known, or it began with the consent
    ADD COLUMN agent    text NOT NULL DEFAULT '';
