"""The one door: every dialect asks here before anything is generated."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from governance.kernel.errors import DomainError, NotFound
from governance.kernel.locks import Lockable, lock_for_use
from governance.models import ModelRelease, ReleaseStatus
from governance.operations.standing import refresh_standings


class LicenceRefused(DomainError):
    """The licence does not allow this organization to generate now; the facts say which rule."""

    code = "licence_refused"
    title = "The licence does not allow this generation"
    status = 403


class ReleaseNotFound(DomainError):
    """There is no model of this name here."""

    code = "model_not_found"
    title = "There is no such model"
    status = 404


class ReleaseRevoked(DomainError):
    """The model was revoked: nothing is started on it any more."""

    code = "model_revoked"
    title = "The model was revoked"
    status = 403


@dataclass(frozen=True)
class Authorization:
    """Permission for one generation, as decided; sizes in px, guidance in thousandths."""

    organization_id: UUID
    standing: str
    terms_version_id: UUID
    terms_sha256: str
    release_id: UUID
    release_slug: str
    variant: str
    steps: int
    guidance_milli: int
    min_side: int
    max_side: int
    default_side: int
    weights_sha256: str
    counts_end_users: bool
    decided_at: datetime


# One round trip, every table by its primary key or a unique index. The decided standing is the cache;
# it counts only while both its epochs are the present ones (governance.models.epochs). Where the
# licensor's notice for the release alone has run out (9.2) nothing starts; the revocation follows.
QUESTION = """
SELECT o.slug, s.status, s.may_generate, s.reasons, s.changes_at, s.terms_version_id, t.sha256, t.label,
       r.id, r.slug, r.variant, r.status, r.steps, r.guidance_milli, r.min_side, r.max_side,
       r.default_side, r.weights_sha256, r.kind, r.organization_id, r.revoked_reason, k.engaged_at,
       EXISTS (SELECT 1 FROM governance_termination_notice n
               WHERE n.release_id = r.id AND n.withdrawn_at IS NULL AND n.ends_at <= %(at)s),
       o.counts_end_users
FROM governance_organization o
JOIN governance_kill_switch k ON k.id = 1
LEFT JOIN governance_organization_standing s
       ON s.organization_id = o.id AND s.facts_epoch = o.facts_epoch AND s.host_epoch = k.epoch
LEFT JOIN governance_terms_version t ON t.id = s.terms_version_id
LEFT JOIN governance_model_release r ON r.slug = %(slug)s
WHERE o.id = %(organization)s
"""


def authorize_generation(
    *, organization_id: UUID, release_slug: str, at: datetime
) -> Authorization:
    """Permission to start one generation now, for every dialect. May be asked again freely.

    Reads the database every time: a revocation, the kill switch or a change of standing holds
    from the moment it commits. Raises LicenceRefused, ReleaseNotFound, ReleaseRevoked.
    """
    answer = _ask(organization_id, release_slug, at)
    if _is_stale(answer, at):
        refresh_standings(organization_ids=[organization_id], at=at)
        answer = _ask(organization_id, release_slug, at)
    _require_release(answer, organization_id, release_slug)
    _require_standing(answer)
    return Authorization(
        organization_id=organization_id,
        standing=answer["standing"],
        terms_version_id=answer["terms_version_id"],
        terms_sha256=answer["terms_sha256"],
        release_id=answer["release_id"],
        release_slug=answer["release_slug"],
        variant=answer["variant"],
        steps=answer["steps"],
        guidance_milli=answer["guidance_milli"],
        min_side=answer["min_side"],
        max_side=answer["max_side"],
        default_side=answer["default_side"],
        weights_sha256=answer["weights_sha256"],
        counts_end_users=answer["counts_end_users"],
        decided_at=at,
    )


@transaction.atomic
def require_startable(*, release_id: UUID, at: datetime) -> None:
    """Inside the transaction that queues or claims a job: the release may be started now.

    Holds off a revocation until that transaction ends. Raises ReleaseRevoked, and LicenceRefused
    while the operator has stopped everything.
    """
    lock_for_use(Lockable.RELEASE, release_id)
    with connection.cursor() as cursor:
        cursor.execute(STARTABLE, {"release": release_id, "at": at})
        row = cursor.fetchone()
    if row is None or row[0] == ReleaseStatus.REVOKED or row[3]:
        raise ReleaseRevoked(f"{row[1] if row else 'The model'} was revoked; no job starts on it.")
    if row[2] is not None:
        raise LicenceRefused("The operator stopped all generation.", rule=KILL_SWITCH)


def stopping_reason(*, organization_id: UUID, at: datetime) -> dict[str, Any] | None:
    """Why the licence stops this organization now, or None: asked before a queued job starts.

    A standing may change between the request and the start. The kill switch is left out: it holds
    work back and ends none. Raises NotFound.
    """
    answer = _ask(organization_id, "", at)
    if _is_stale(answer, at):
        refresh_standings(organization_ids=[organization_id], at=at)
        answer = _ask(organization_id, "", at)
    reasons: list[dict[str, Any]] = [] if answer["may_generate"] else json.loads(answer["reasons"])
    stopping = (r for r in reasons if r["blocks"] and r["rule"] != KILL_SWITCH)
    return next(stopping, None)


KILL_SWITCH = "kill_switch"
STARTABLE = """
SELECT r.status, r.name, k.engaged_at, EXISTS (SELECT 1 FROM governance_termination_notice n
               WHERE n.release_id = r.id AND n.withdrawn_at IS NULL AND n.ends_at <= %(at)s)
FROM governance_model_release r LEFT JOIN governance_kill_switch k ON k.id = 1
WHERE r.id = %(release)s
"""
COLUMNS = (
    "organization_slug", "standing", "may_generate", "reasons", "changes_at", "terms_version_id",
    "terms_sha256", "terms_label", "release_id", "release_slug", "variant", "release_status", "steps",
    "guidance_milli", "min_side", "max_side", "default_side", "weights_sha256", "kind", "owner_id",
    "revoked_reason", "halted_since", "notice_over", "counts_end_users",
)  # fmt: skip


def _ask(organization_id: UUID, release_slug: str, at: datetime) -> dict[str, Any]:
    asked: dict[str, Any] = {"slug": release_slug, "organization": organization_id, "at": at}
    with connection.cursor() as cursor:
        cursor.execute(QUESTION, asked)
        row = cursor.fetchone()
    if row is None:
        raise NotFound("There is no such organization.")
    return dict(zip(COLUMNS, row, strict=True))


def _is_stale(answer: dict[str, Any], at: datetime) -> bool:
    """No decided standing of the present epochs, or one that time has overtaken."""
    changes_at = answer["changes_at"]
    return answer["may_generate"] is None or (changes_at is not None and changes_at <= at)


def _require_release(answer: dict[str, Any], organization_id: UUID, release_slug: str) -> None:
    foreign = answer["owner_id"] not in (None, organization_id)
    if answer["release_id"] is None or foreign or answer["kind"] == "adapter":
        names = ModelRelease.objects.filter(
            status=ReleaseStatus.ACTIVE, kind="base", organization=None
        ).values_list("slug", flat=True)
        known = ", ".join(sorted(names)) or "none yet"
        missing = f"no model {release_slug!r}" if release_slug else "no active model"
        raise ReleaseNotFound(f"There is {missing} here. Models: {known}.", param="model")
    if answer["release_status"] == ReleaseStatus.REVOKED or answer["notice_over"]:
        ended = "the licensor's notice for it has run out" if answer["notice_over"] else ""
        reason = answer["revoked_reason"] or ended or "the licence does not allow its use any more"
        raise ReleaseRevoked(
            f"The model {release_slug} was revoked: {reason}.",
            param="model",
            rule="release",
            terms_version=answer["terms_label"] or "",
            fact=f"{release_slug} was revoked: {reason}",
            source="Krea 2 Community License Agreement v.1, 2026-06-22",
            citation="2.1",
            next_step="Choose another model.",
        )


def _require_standing(answer: dict[str, Any]) -> None:
    if answer["may_generate"]:
        if answer["halted_since"] is None:
            return
        reason: dict[str, Any] = {
            "rule": KILL_SWITCH,
            "terms_version": answer["terms_label"] or "",
            "fact": "the operator stopped all generation",
        }
    else:
        reason = json.loads(answer["reasons"])[0]
    raise LicenceRefused(
        _detail(reason),
        rule=reason["rule"],
        terms_version=reason.get("terms_version", ""),
        source=reason.get("source", "the operator's own control"),
        citation=reason.get("citation", ""),
        standing=answer["standing"],
        fact=reason["fact"],
        next_step=reason.get("next_step", "Wait for the operator."),
        url=f"{settings.PUBLIC_URL}/o/{answer['organization_slug']}/licence/",
    )


def _detail(reason: dict[str, Any]) -> str:
    fact = str(reason["fact"])
    return f"{fact[:1].upper()}{fact[1:]}. {reason.get('next_step', 'Wait for the operator.')}"
