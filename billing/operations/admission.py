"""Admission of holds: one by one, and for a busy organization those that wait together.

A wallet is one row, locked while the commit reaches the disk: that bounds an organization's holds a
second. So while one request of an organization is being admitted, others of this process wait for it, and
the next takes all that wait along in one transaction. Nobody waits for company: alone, nothing changes.
"""

import json
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from django.db import connection, transaction

from billing.operations.holds import (
    HoldRequest,
    HoldResult,
    answered,
    nothing,
    place_hold,
    reserve,
)
from billing.queries.balances import balance_of
from governance.kernel.errors import DomainError
from governance.kernel.ids import uuid7

LARGEST_GROUP = 50
OPEN_HOLDS = """
SELECT job, outcome, hold_id, job_id, held, request, facts
FROM billing_open_holds(%s, %s::jsonb, %s)
"""
logger = logging.getLogger(__name__)


class NotTogether(Exception):
    """The balance may not cover all of a group; each must ask for itself."""


@dataclass(eq=False)
class Ticket:
    """One request that wants in. ``verdict`` is what a group that took it along was told."""

    request: HoldRequest
    require: Callable[[], None]
    write_job: Callable[[UUID], None]
    turn: threading.Event = field(default_factory=threading.Event)
    leads: bool = False
    verdict: HoldResult | DomainError | None = None


class Turnstile:
    """Who is being admitted and who waits, by organization; of this process alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[UUID, deque[Ticket]] = {}

    def enter(self, ticket: Ticket) -> bool:
        """True where nobody of the organization is inside; the ticket waits otherwise."""
        with self._lock:
            waiting = self._waiting.get(ticket.request.organization_id)
            if waiting is None:
                self._waiting[ticket.request.organization_id] = deque()
                return True
            waiting.append(ticket)
            return False

    def companions(self, leader: Ticket) -> list[Ticket]:
        """Those that wait behind the leader, without a second request of the same idempotency key."""
        with self._lock:
            waiting = self._waiting[leader.request.organization_id]
            keys, left = {leader.request.idempotency_key}, deque[Ticket]()
            taken: list[Ticket] = []
            for ticket in waiting:
                key = ticket.request.idempotency_key
                if key in keys or len(taken) == LARGEST_GROUP - 1:
                    left.append(ticket)
                else:
                    keys.add(key)
                    taken.append(ticket)
            self._waiting[leader.request.organization_id] = left
            return taken

    def leave(self, leader: Ticket) -> None:
        """The next one leads, or nobody is inside any more."""
        organization_id = leader.request.organization_id
        with self._lock:
            waiting = self._waiting[organization_id]
            if not waiting:
                del self._waiting[organization_id]
                return
            following = waiting.popleft()
        following.leads = True
        following.turn.set()


_turnstile = Turnstile()


def admit_hold(
    *,
    request: HoldRequest,
    require: Callable[[], None] = nothing,
    write_job: Callable[[UUID], None] = nothing,
) -> HoldResult:
    """``place_hold``, together with what waits for the same wallet in this process.

    ``require`` is called first in the transaction and refuses by raising a DomainError; ``write_job``
    writes the job's own rows. Both may run on another request's thread and connection. Returns after
    the commit; within a caller's transaction nobody is taken along.

    Raises what ``require`` and ``place_hold`` raise; nothing is written then.
    """
    ticket = Ticket(request, require, write_job)
    if connection.in_atomic_block:
        return alone(ticket)
    if not _turnstile.enter(ticket):
        ticket.turn.wait()
        if not ticket.leads:
            return told(ticket)
    try:
        return lead(ticket, _turnstile.companions(ticket))
    finally:
        _turnstile.leave(ticket)


def alone(ticket: Ticket) -> HoldResult:
    """One request in a transaction of its own. Raises its refusal."""
    return place_hold(request=ticket.request, require=ticket.require, write_job=ticket.write_job)


def told(ticket: Ticket) -> HoldResult:
    """The group's word, or an attempt of its own where the group came to none. Raises the refusal."""
    if isinstance(ticket.verdict, DomainError):
        raise ticket.verdict
    return ticket.verdict or alone(ticket)


def lead(leader: Ticket, companions: list[Ticket]) -> HoldResult:
    """Admit the leader and its companions; they are told only after the commit."""
    if not companions:
        return alone(leader)
    try:
        admit_together([leader, *companions])
    except NotTogether:
        pass
    except Exception:
        # One request's trouble is not the others': everybody tries alone and meets only their own.
        logger.warning(
            "a group of %d holds is tried one by one", len(companions) + 1, exc_info=True
        )
    finally:
        for ticket in companions:
            ticket.turn.set()
    return told(leader)


def admit_together(group: list[Ticket]) -> None:
    """One transaction for the group; the verdicts are set when it is committed. Raises NotTogether."""
    organization_id = group[0].request.organization_id
    if balance_of(organization_id).available < sum(ticket.request.amount for ticket in group):
        raise NotTogether
    verdicts: dict[Ticket, HoldResult | DomainError] = {}
    with transaction.atomic():
        for ticket in group:
            try:
                ticket.require()
            except DomainError as refusal:
                verdicts[ticket] = refusal
        verdicts |= opened([ticket for ticket in group if ticket not in verdicts])
        total = 0
        for ticket, verdict in verdicts.items():
            if isinstance(verdict, HoldResult) and verdict.created:
                ticket.write_job(verdict.hold_id)
                total += verdict.amount
        if not reserve(organization_id, total):
            raise NotTogether
    for ticket, verdict in verdicts.items():
        ticket.verdict = verdict


def opened(group: list[Ticket]) -> dict[Ticket, HoldResult | DomainError]:
    """Open every hold in one round trip; refusals of some leave the others untouched."""
    if not group:
        return {}
    first = group[0].request
    requests = json.dumps([as_row(ticket.request) for ticket in group])
    with connection.cursor() as cursor:
        cursor.execute(OPEN_HOLDS, [first.organization_id, requests, first.at])
        answers = {job: answer for job, *answer in cursor.fetchall()}
    return {ticket: judged(ticket, answers[ticket.request.job_id]) for ticket in group}


def judged(ticket: Ticket, answer: list[object]) -> HoldResult | DomainError:
    """The answer to one request of a group, a refusal as a value."""
    try:
        return answered(ticket.request, *answer)  # type: ignore[arg-type]
    except DomainError as refusal:
        return refusal


def as_row(request: HoldRequest) -> dict[str, object]:
    """The fields of the database's ``billing_hold_request``."""
    return {
        "id": str(uuid7()),
        "project": str(request.project_id),
        "api_key": request.api_key_id and str(request.api_key_id),
        "member": request.member_id and str(request.member_id),
        "job": str(request.job_id),
        "idempotency": request.idempotency_key,
        "sha256": request.request_sha256,
        "amount": request.amount,
        "per_image": request.per_image,
        "price": str(request.quote.price_version_id),
        "quote": request.quote.as_json(),
    }
