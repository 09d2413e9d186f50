"""For which tenant the present request reads: the database shows it that tenant's rows alone.

Read by ``governance.gateways.tenant_postgres``, which says it to PostgreSQL with each statement.
Decision 0071 tells what runs for a tenant and what is privileged.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

# Requests by these methods read for their tenant; what writes is privileged (decision 0071).
READING = frozenset({"GET", "HEAD", "OPTIONS"})

_tenant: ContextVar[UUID | None] = ContextVar("licet_tenant", default=None)


def present_tenant() -> UUID | None:
    """The organization whose rows alone may be seen now; None: privileged, every row."""
    return _tenant.get()


def enter_tenant(organization_id: UUID | None) -> None:
    """From here on this request reads for ``organization_id`` only, until ``leave_tenant``."""
    _tenant.set(organization_id)


def leave_tenant() -> None:
    """A request begins or ends: nothing is left of the one before."""
    _tenant.set(None)


@contextmanager
def reading_for(organization_id: UUID | None) -> Iterator[None]:
    """Inside the block only the rows of ``organization_id`` can be seen; None: every row.

    Blocks may lie in each other; the innermost counts.
    """
    token = _tenant.set(organization_id)
    try:
        yield
    finally:
        _tenant.reset(token)


@contextmanager
def privileged() -> Iterator[None]:
    """Inside the block every row can be seen, also within a tenant's request.

    For figures that are made from many tenants' rows and show none of them. Each use is named, with
    its reason, in decision 0071; ``tests/architecture/test_tenancy.py`` compares.
    """
    with reading_for(None):
        yield
