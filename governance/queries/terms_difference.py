"""Two versions of the terms side by side, clause by clause and rule by rule."""

from dataclasses import dataclass
from typing import Any, Literal

from governance.models import TermsVersion

Change = Literal["same", "changed", "added", "removed"]


@dataclass(frozen=True)
class ClauseChange:
    """One clause or rule before and after."""

    document: str
    number: str
    title: str
    change: Change
    before: str
    after: str


def terms_difference(before: TermsVersion, after: TermsVersion) -> list[ClauseChange]:
    """Every clause of licence and policy, and every rule, with what became of it."""
    changes = []
    for kind in ("licence", "policy"):
        old = {c["number"]: c for c in getattr(before, kind).clauses}
        new = {c["number"]: c for c in getattr(after, kind).clauses}
        changes += [
            _clause(kind, number, old.get(number), new.get(number))
            for number in [*old, *(n for n in new if n not in old)]
        ]
    rules_before = {rule["id"]: rule for rule in before.rules}
    rules_after = {rule["id"]: rule for rule in after.rules}
    for id_ in [*rules_before, *(i for i in rules_after if i not in rules_before)]:
        changes.append(_rule(id_, rules_before.get(id_), rules_after.get(id_)))
    return changes


def text_changed(before: TermsVersion, after: TermsVersion) -> list[str]:
    """The kinds of document whose text (by its hash) is another one."""
    kinds = ("licence", "policy", "notice")
    return [k for k in kinds if getattr(before, k).sha256 != getattr(after, k).sha256]


def _clause(
    kind: str, number: str, old: dict[str, Any] | None, new: dict[str, Any] | None
) -> ClauseChange:
    shown = new or old or {}
    was, is_ = (old or {}).get("summary", ""), (new or {}).get("summary", "")
    return ClauseChange(kind, number, shown.get("title", ""), _kind(old, new, was == is_), was, is_)


def _rule(id_: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> ClauseChange:
    was, is_ = _rule_text(old), _rule_text(new)
    return ClauseChange("rules", id_, id_, _kind(old, new, was == is_), was, is_)


def _rule_text(rule: dict[str, Any] | None) -> str:
    if rule is None:
        return ""
    grace = f"grace {rule['grace_days']} days"
    return (
        f"{rule['metric']} {rule['comparison']} {rule['limit']}, warn at {rule['warn_at']}, {grace}, "
        f"door {rule['door']}; {rule['source']}"
    )


def _kind(old: object, new: object, same: bool) -> Change:  # noqa: FBT001 (three plain facts)
    if old is None:
        return "added"
    if new is None:
        return "removed"
    return "same" if same else "changed"
