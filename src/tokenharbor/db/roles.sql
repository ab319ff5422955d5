-- The console's role in the database: its name, its definition, and the rights that it lacks.

-- name: role_name
-- The role's name, made from the database's, as all databases of a server share roles. A name has at most 63 bytes.
SELECT left(current_database(), 55) || '_console'

-- name: define_role
-- The statement that creates the role, or sets its password.
SELECT format(CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = $1) THEN 'ALTER' ELSE 'CREATE' END
    || ' ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD %L', $1::text, $2::text)

-- name: grants_lacking
-- The statements for tables on which the role's rights are wrong. Partitions need none: they are accessed by their table.
WITH kinds AS (
    SELECT c.oid, CASE
        WHEN c.relname = ANY ($2::text[]) THEN 'SELECT'
        WHEN c.relname = ANY ($3::text[]) OR EXISTS (
            SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = c.oid AND p.proname = 'refuse_change') THEN 'SELECT, INSERT'
        ELSE 'SELECT, INSERT, UPDATE, DELETE' END AS rights
    FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition)
SELECT format('REVOKE ALL ON %1$s FROM %2$I; GRANT %3$s ON %1$s TO %2$I', oid::regclass, $1::text, rights) AS statement
FROM kinds k
WHERE rights IS DISTINCT FROM (
    SELECT string_agg(p, ', ' ORDER BY n)
    FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES']) WITH ORDINALITY u (p, n)
    WHERE has_table_privilege($1, k.oid, p))
UNION ALL
SELECT format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), $1::text) WHERE NOT has_schema_privilege($1, current_schema(), 'USAGE')
