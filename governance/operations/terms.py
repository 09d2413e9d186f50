"""Importing terms: the official text in place of our summary, or changed rules."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import InvalidRequest
from governance.licensing.clauses import clauses_of
from governance.licensing.seeded import version_sha256
from governance.licensing.terms import rules_from
from governance.models import DocumentKind, TermsDocument, TermsVersion
from governance.operations import audit
from governance.operations.standing import refresh_standings
from governance.queries.terms import newest_terms


@dataclass(frozen=True)
class OfficialText:
    """A document as its author published it; ``sha256`` is checked where it is given."""

    kind: DocumentKind
    title: str
    version: str
    dated: date
    text: str
    source: str
    clauses: tuple[dict[str, str], ...] = ()
    sha256: str = ""


@transaction.atomic
def import_document(
    *, document: OfficialText, label: str, effective_from: datetime, actor: Actor, at: datetime
) -> TermsVersion:
    """A new version of the terms with ``document`` in it; everyone is asked to accept it.

    Where no clauses are given they are found in the text by their numbers; a text without numbers
    keeps those of the document before. With a later ``effective_from`` it is announced and people
    are asked from then on. Imported again, the first import is returned.
    """
    digest = sha256_hex(document.text.encode())
    if document.sha256 and document.sha256 != digest:
        raise InvalidRequest(
            f"The file's SHA-256 is {digest}, not {document.sha256}.", param="sha256"
        )
    before = newest_terms()
    known = TermsVersion.objects.filter(**{f"{document.kind}__sha256": digest}, label=label).first()
    if known is not None:
        return known
    previous: TermsDocument = getattr(before, document.kind)
    row, _ = TermsDocument.objects.get_or_create(
        kind=document.kind,
        sha256=digest,
        defaults={
            "title": document.title,
            "version": document.version,
            "dated": document.dated,
            "text": document.text,
            "official": True,
            "clauses": list(document.clauses) or clauses_of(document.text) or previous.clauses,
            "source": document.source,
            "created_at": at,
        },
    )
    return _follow(
        before,
        {document.kind: row},
        before.rules,
        label,
        effective_from,
        "imported text",
        actor,
        at,
    )


@transaction.atomic
def change_rule(
    *,
    rule_id: str,
    changes: dict[str, Any],
    label: str,
    effective_from: datetime,
    reason: str,
    actor: Actor,
    at: datetime,
) -> TermsVersion:
    """A new version with one rule changed (limit, warn_at, grace_days, door); documents stand.

    A lowered limit starts its own grace. Raises InvalidRequest for what may not be changed:
    the revenue rule's limit and grace are the licence's, not the operator's.
    """
    allowed = {"limit", "warn_at", "grace_days", "door"} if rule_id == "seats" else {"warn_at"}
    if rule_id == "acceptance":
        allowed = {"grace_days"}
    if not set(changes) <= allowed:
        raise InvalidRequest(
            f"Of the rule {rule_id} only {', '.join(sorted(allowed))} can be changed.",
            param="changes",
        )
    before = newest_terms()
    rules = [dict(rule) for rule in before.rules]
    for rule in rules:
        if rule["id"] == rule_id:
            if changes.get("limit", rule["limit"]) < rule["limit"]:
                rule["since"] = effective_from.isoformat()
            rule.update(changes)
    rules_from(rules)
    return _follow(before, {}, rules, label, effective_from, reason, actor, at)


def _follow(
    before: TermsVersion,
    documents: dict[str, TermsDocument],
    rules: list[dict[str, Any]],
    label: str,
    effective_from: datetime,
    reason: str,
    actor: Actor,
    at: datetime,
) -> TermsVersion:
    if effective_from < before.effective_from:
        raise InvalidRequest("Terms cannot take effect before the ones that they replace.")
    all_documents = {
        kind: documents.get(kind, getattr(before, kind)) for kind in DocumentKind.values
    }
    hashes = [all_documents[kind].sha256 for kind in ("licence", "policy", "notice")]
    version = TermsVersion.objects.create(
        label=label,
        effective_from=effective_from,
        rules=rules,
        sha256=version_sha256(rules, hashes),
        reason=reason,
        created_at=at,
        created_by=actor.label or actor.id,
        **all_documents,
    )
    audit.record(
        act="terms.imported",
        actor=actor,
        subject_kind="terms_version",
        subject_id=version.id,
        facts={
            "label": label,
            "sha256": version.sha256,
            "replaces": before.label,
            "effective_from": effective_from.isoformat(),
            "reason": reason,
        },
    )
    if effective_from <= at:
        refresh_standings(organization_ids=None, at=at, actor=actor)
    return version
