"""What every event of a request or a job tells besides its message, and what none may tell.

Kept in context variables: it follows a request over its threads and tasks. It is carried to another
process by whoever sends something there, and taken up there with ``begin``.
"""

from contextvars import ContextVar

REQUEST, ORGANIZATION, GENERATION = "request_id", "organization", "generation"
CARRIED = (REQUEST, ORGANIZATION, GENERATION)

_fields: ContextVar[dict[str, str] | None] = ContextVar("licet_log_fields", default=None)
_concealed: ContextVar[tuple[str, ...]] = ContextVar("licet_log_concealed", default=())


def begin(**fields: str) -> None:
    """A request, a task or a job begins: its fields, and nothing of the one before."""
    _fields.set({name: value for name, value in fields.items() if value})
    _concealed.set(())


def note(**fields: str) -> None:
    """Add what has become known of the present request or job."""
    _fields.set({**(_fields.get() or {}), **fields})


def fields() -> dict[str, str]:
    """What is known of the present request or job."""
    return dict(_fields.get() or {})


def conceal(*texts: str) -> None:
    """Until the next ``begin`` no event may show these texts: the prompts that are being worked on."""
    _concealed.set(tuple(text for text in texts if text))


def concealed() -> tuple[str, ...]:
    """The texts that no event may show now."""
    return _concealed.get()
