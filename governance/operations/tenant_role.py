"""The database role of tenants' requests: made and given its rights after every migration."""

from django.db import connection

from governance.kernel.row_policies import POLICY, SHARED

# Reading what a policy covers, and nothing else. The role is made once per server, where our own may;
# where it may not, somebody else makes it, and the next run gives it its rights.
MAKE_ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'licet_tenant') THEN
        CREATE ROLE licet_tenant NOLOGIN;
    END IF;
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT licet_tenant TO %I', current_user);
    END IF;
EXCEPTION WHEN insufficient_privilege OR duplicate_object OR unique_violation THEN
    NULL;
END $$
"""
COVERED = f"""
SELECT DISTINCT c.oid::regclass::text FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
WHERE p.polname IN ('{POLICY}', '{SHARED}') AND c.relnamespace = current_schema()::regnamespace
    AND EXISTS (SELECT 1 FROM pg_roles r WHERE r.rolname = 'licet_tenant'
                AND NOT has_table_privilege(r.oid, c.oid, 'SELECT'))
"""  # noqa: S608 (names of policies)


def grant_tenant_role() -> None:
    """Make the role where it is missing and let it read what policies cover. Safe to repeat.

    Leaves things as they are where our database user may not: ``manage.py doctor`` tells what to do.
    """
    with connection.cursor() as cursor:
        cursor.execute(MAKE_ROLE)
        cursor.execute(COVERED)
        for (table,) in cursor.fetchall():
            cursor.execute(f"GRANT SELECT ON {table} TO licet_tenant")
