"""Who acts: every operation that is audited is told."""

from dataclasses import dataclass
from typing import Literal

ActorKind = Literal["user", "api_key", "system", "worker", "stripe", "auditor_link", "visitor"]


@dataclass(frozen=True)
class Actor:
    """A person, a key or a part of the system, and the request in which it acts.

    A ``visitor`` is somebody without an account; nothing but the address is known of them.
    """

    kind: ActorKind
    id: str
    label: str = ""
    ip: str | None = None
    request_id: str = ""


SYSTEM = Actor(kind="system", id="licet", label="Licet")
