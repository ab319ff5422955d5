-- A service that ignores dots before the `@`, under two names: each such address is one mailbox.
CREATE OR REPLACE FUNCTION mailbox(p_email text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN split_part(p_email, '@', 2) IN ('gmail.com', 'googlemail.com')
        THEN replace(split_part(split_part(p_email, '@', 1), '+', 1), '.', '') || '@gmail.com'
        ELSE regexp_replace(p_email, '\+[^@]*@', '@') END
$$;
REINDEX INDEX app_user_mailbox;
