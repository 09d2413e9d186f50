"""Each statement of a tenant's request runs as the role ``licet_tenant``, bound to one organization.

The role and the organization are set for the transaction only (``set_config(..., true)``), in the same
message as the statement, so that it costs no round trip, needs no transaction of its own, and leaves
nothing behind in a pooled connection: outside a transaction PostgreSQL makes one of the message's
statements. A transaction pooler (PgBouncer) sees one message.
"""

import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db.backends.postgresql import base
from django.db.backends.utils import CursorWrapper
from psycopg.sql import Composable

from governance.kernel.tenancy import present_tenant

logger = logging.getLogger(__name__)

ROLE = "licet_tenant"
SETTING = "licet.organization"
# They are refused or change nothing for a role, and must work in a transaction that has failed.
TRANSACTION_WORDS = ("SAVEPOINT", "RELEASE", "ROLLBACK")
MAY_BECOME = f"""
SELECT EXISTS (
    SELECT 1 FROM pg_roles WHERE rolname = '{ROLE}'
        AND has_table_privilege(oid, 'governance_organization', 'SELECT')
        AND pg_has_role(current_user, oid, CASE
            WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END)
)
"""  # noqa: S608 (the role's name is a constant)


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection whose statements obey ``governance.kernel.tenancy``."""

    # Whether the role exists, may read and may be taken: asked once per process.
    may_become: bool | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Whether the transaction that is open may have the tenant's role.
        self.is_bound = False
        self.execute_wrappers.append(self.bound)

    def bound(
        self,
        execute: Callable[..., Any],
        sql: str | Composable,
        params: Any,
        many: Any,
        context: dict[str, Any],
    ) -> Any:
        """Run one statement as whoever the present request reads for (Django's execute wrapper)."""
        tenant = present_tenant()
        if tenant is None and not self.must_unbind():
            self.is_bound = False
            return execute(sql, params, many, context)
        sql = sql if isinstance(sql, str) else sql.as_string(context["cursor"].cursor)
        if sql.lstrip().startswith(TRANSACTION_WORDS) or not self.knows_role(context["cursor"]):
            return execute(sql, params, many, context)
        self.is_bound = self.in_atomic_block
        if many:
            assert self.in_atomic_block, "outside a transaction the binding would end before them"
            context["cursor"].cursor.execute(binding(tenant))
            return execute(sql, params, many, context)
        result = execute(binding(tenant) + sql, params, many, context)
        # The first result is the binding's.
        context["cursor"].cursor.nextset()
        return result

    def chunked_cursor(self) -> CursorWrapper:
        """No cursor on the server for a tenant: it would be bound and left in two messages."""
        is_bound = present_tenant() is not None or self.must_unbind()
        return self.cursor() if is_bound else super().chunked_cursor()

    def must_unbind(self) -> bool:
        """Whether a tenant's role may last from an earlier statement of the same transaction."""
        return self.is_bound and self.in_atomic_block

    def knows_role(self, cursor: CursorWrapper) -> bool:
        """Whether the database has the role and lets us take it; without it only our own checks hold."""
        if DatabaseWrapper.may_become is None:
            cursor.cursor.execute(MAY_BECOME)
            row = cursor.cursor.fetchone()
            DatabaseWrapper.may_become = bool(row and row[0])
            if not DatabaseWrapper.may_become:
                logger.warning("tenants are not isolated by the database: see `manage.py doctor`")
        return DatabaseWrapper.may_become


def binding(tenant: UUID | None) -> str:
    """What goes before a statement; None: our own role again, within the same transaction."""
    role, organization = (ROLE, str(tenant)) if tenant else ("none", "")
    return f"SELECT set_config('role', '{role}', true), set_config('{SETTING}', '{organization}', true); "
