"""SQL of row-level security: which rows a tenant's request may see in a table (decision 0071).

For migrations. A table without one of these is closed to tenants' requests: ``licet_tenant`` is given
SELECT on nothing else (``governance.operations.tenant_role``). Tables' owners are not bound by them.
"""

POLICY, SHARED = "licet_tenant", "licet_shared"
# Read by every policy; STABLE and plain SQL, so that the planner puts its body into the query.
FUNCTION = """
CREATE OR REPLACE FUNCTION licet_organization() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT nullif(current_setting('licet.organization', true), '')::uuid
$$
"""
DROP_FUNCTION = "DROP FUNCTION licet_organization()"
Step = tuple[str, str]


def only(table: str, condition: str) -> Step:
    """Rows of ``table`` that fulfil ``condition``, for reading and for writing; and how to undo it."""
    return (
        (
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; "
            f"CREATE POLICY {POLICY} ON {table} USING ({condition})"
        ),
        f"DROP POLICY {POLICY} ON {table}; ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    )


def own(table: str, column: str = "organization_id") -> Step:
    """Rows that name the tenant in ``column``."""
    return only(table, f"{column} = licet_organization()")


def through(table: str, column: str, parent: str) -> Step:
    """Rows whose ``column`` names a row of ``parent`` that the tenant may see."""
    return only(table, f"EXISTS (SELECT 1 FROM {parent} parent WHERE parent.id = {table}.{column})")  # noqa: S608


def shared(table: str, condition: str = "true") -> Step:
    """Rows that everybody may read and no tenant may write: what the host publishes."""
    return (
        (
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; "
            f"CREATE POLICY {SHARED} ON {table} FOR SELECT USING ({condition})"
        ),
        f"DROP POLICY {SHARED} ON {table}",
    )
