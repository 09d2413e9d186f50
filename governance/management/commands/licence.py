"""``manage.py licence``: what only the operator puts on record."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import now

from governance.kernel.actors import Actor
from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import DomainError
from governance.models import ControlGroup, ModelRelease, Organization, User
from governance.operations.contracts import ContractTerms, record_contract
from governance.operations.end_users import set_end_user_policy
from governance.operations.groups import join_group, leave_group
from governance.operations.revocation import revoke_release
from governance.operations.termination import (
    engage_kill_switch,
    record_breach,
    record_notice,
    record_reinstatement,
    release_kill_switch,
    withdraw_notice,
)
from governance.operations.terms import change_rule


class Command(BaseCommand):
    """Contracts, notices, breaches, groups, the seat rule, revocation and the kill switch."""

    help = "Put on record what only the operator may: contracts, notices, breaches, groups, the seat rule."

    def add_arguments(self, parser: CommandParser) -> None:
        """One subcommand each; ``--by`` names the person who acts."""
        parser.add_argument("--by", required=True, help="the acting person's e-mail address")
        acts = parser.add_subparsers(dest="act", required=True)
        contract = acts.add_parser("contract")
        contract.add_argument("--organization", required=True)
        contract.add_argument("--reference", required=True)
        contract.add_argument("--document", type=Path, required=True)
        contract.add_argument("--starts", type=datetime.fromisoformat, required=True)
        contract.add_argument("--ends", type=datetime.fromisoformat, required=True)
        contract.add_argument("--seats", type=int, required=True)
        contract.add_argument("--features", default="", help="sso,sla,dpa")
        notice = acts.add_parser("notice")
        notice.add_argument("--received", type=datetime.fromisoformat, required=True)
        notice.add_argument("--release", default="")
        notice.add_argument("--note", default="")
        breach = acts.add_parser("breach")
        breach.add_argument("--organization", default="")
        breach.add_argument("--clause", required=True)
        breach.add_argument("--description", required=True)
        reinstate = acts.add_parser("reinstate")
        reinstate.add_argument("--breach", required=True)
        reinstate.add_argument("--reference", required=True)
        group = acts.add_parser("group")
        group.add_argument("--name", required=True)
        group.add_argument("--organizations", required=True, help="slugs by comma")
        acts.add_parser("leave-group").add_argument("--organization", required=True)
        end_users = acts.add_parser("end-users")
        end_users.add_argument("--organization", required=True)
        end_users.add_argument("--counted", choices=["yes", "no"], required=True)
        acts.add_parser("withdraw-notice").add_argument("--notice", required=True)
        seats = acts.add_parser("seats")
        seats.add_argument("--label", required=True, help="name of the new version of the terms")
        seats.add_argument("--limit", type=int)
        seats.add_argument("--grace-days", type=int)
        seats.add_argument("--door", choices=["hard", "soft"])
        seats.add_argument("--reason", default="")
        revoke = acts.add_parser("revoke")
        revoke.add_argument("--release", required=True)
        revoke.add_argument("--reason", required=True)
        acts.add_parser("stop").add_argument("--reason", required=True)
        acts.add_parser("resume")

    def handle(self, **options: Any) -> None:
        """Act and print what is on record now as JSON."""
        actor = operator_actor(options["by"])
        acts: dict[str, Callable[[dict[str, Any], Actor, datetime], dict[str, object]]] = {
            "contract": _contract, "notice": _notice, "breach": _breach, "reinstate": _reinstate,
            "group": _group, "leave-group": _leave_group, "end-users": _end_users, "seats": _seats,
            "withdraw-notice": _withdraw, "revoke": _revoke, "stop": _stop, "resume": _resume,
        }  # fmt: skip
        try:
            result = acts[options["act"]](options, actor, now())
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write(json.dumps(result))


def operator_actor(address: str) -> Actor:
    """The operator's person of this address, known by the same number as in the portal.

    One person is one person wherever they act: two must agree to resume. Raises CommandError.
    """
    person = User.objects.filter(email__iexact=address, is_staff=True, is_active=True).first()
    if person is None:
        raise CommandError(f"{address} is none of the operator's people (staff, active).")
    return Actor(kind="user", id=str(person.id), label=person.email)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=now().tzinfo)


def _organization(slug: str) -> Organization:
    found = Organization.objects.filter(slug=slug).first()
    if found is None:
        raise CommandError(f"There is no organization {slug!r}.")
    return found


def _release(slug: str) -> ModelRelease:
    found = ModelRelease.objects.filter(slug=slug).first()
    if found is None:
        raise CommandError(f"There is no release {slug!r}.")
    return found


def _contract(options: dict[str, Any], actor: Actor, at: datetime) -> dict[str, object]:
    agreed = ContractTerms(
        reference=options["reference"],
        starts_at=_aware(options["starts"]),
        ends_at=_aware(options["ends"]),
        seats=options["seats"],
        features=frozenset(filter(None, options["features"].split(","))),
        document_sha256=sha256_hex(options["document"].read_bytes()),
    )
    organization = _organization(options["organization"])
    row = record_contract(organization_id=organization.id, agreed=agreed, actor=actor, at=at)
    return {"contract": str(row.id), "document_sha256": row.document_sha256}


def _notice(options: dict[str, Any], actor: Actor, at: datetime) -> dict[str, object]:
    row = record_notice(
        received_at=_aware(options["received"]),
        release=_release(options["release"]) if options["release"] else None,
        note=options["note"],
        actor=actor,
        at=at,
    )
    days_left = max((row.ends_at - at) / timedelta(days=1), 0)
    return {
        "notice": str(row.id),
        "ends_at": row.ends_at.isoformat(),
        "days_left": round(days_left, 1),
    }


def _breach(options: dict[str, Any], actor: Actor, at: datetime) -> dict[str, object]:
    slug = options["organization"]
    row = record_breach(
        organization_id=_organization(slug).id if slug else None,
        clause=options["clause"],
        description=options["description"],
        discovered_at=at,
        actor=actor,
        at=at,
    )
    return {"breach": str(row.id)}


def _reinstate(options: dict[str, Any], actor: Actor, at: datetime) -> dict[str, object]:
    row = record_reinstatement(
        breach_id=options["breach"], reference=options["reference"], actor=actor, at=at
    )
    return {"breach": str(row.id), "reinstated_at": str(row.reinstated_at)}


def _group(options: dict[str, Any], actor: Actor, at: datetime) -> dict[str, object]:
    group, _ = ControlGroup.objects.get_or_create(name=options["name"])
    members = [_organization(slug.strip()).id for slug in options["organizations"].split(",")]
    join_group(group=group, organization_ids=members, actor=actor, at=at)
    return {"group": str(group.id), "organizations": len(members)}


def _leave_group(options: dict[str, Any], actor: Actor, at: datetime) -> dict[str, object]:
    organization = _organization(options["organization"])
    leave_group(organization_id=organization.id, actor=actor, at=at)
    return {"organization": organization.slug, "group": None}


def _end_users(options: dict[str, Any], actor: Actor, at: datetime) -> dict[str, object]:
    organization = set_end_user_policy(
        organization_id=_organization(options["organization"]).id,
        counted=options["counted"] == "yes",
        actor=actor,
        at=at,
    )
    return {"organization": organization.slug, "counts_end_users": organization.counts_end_users}


def _withdraw(options: dict[str, Any], actor: Actor, at: datetime) -> dict[str, object]:
    notice = withdraw_notice(notice_id=options["notice"], actor=actor, at=at)
    return {"notice": str(notice.id), "withdrawn_at": str(notice.withdrawn_at)}


def _seats(options: dict[str, Any], actor: Actor, at: datetime) -> dict[str, object]:
    given = {name: options[name] for name in ("limit", "grace_days", "door")}
    changes = {name: value for name, value in given.items() if value is not None}
    if "limit" in changes:
        changes["warn_at"] = changes["limit"] * 8 // 10
    version = change_rule(
        rule_id="seats",
        changes=changes,
        label=options["label"],
        effective_from=at,
        reason=options["reason"],
        actor=actor,
        at=at,
    )
    return {"terms": version.label, "sha256": version.sha256}


def _revoke(options: dict[str, Any], actor: Actor, at: datetime) -> dict[str, object]:
    done = revoke_release(
        release_id=_release(options["release"]).id,
        reason=options["reason"],
        actor=actor,
        at=at,
    )
    return {"revoked": [release.slug for release in done.releases], "voided": done.voided}


def _stop(options: dict[str, Any], actor: Actor, at: datetime) -> dict[str, object]:
    switch = engage_kill_switch(reason=options["reason"], actor=actor, at=at)
    return {"stopped_since": str(switch.engaged_at)}


def _resume(_options: dict[str, Any], actor: Actor, at: datetime) -> dict[str, object]:
    switch = release_kill_switch(actor=actor, at=at)
    return {"stopped_since": str(switch.engaged_at) if switch.engaged_at else None}
