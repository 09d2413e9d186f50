"""Changing the policy: draft, measure, replay, propose, approve by another person."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.operations import audit
from moderation.kernel import bundles
from moderation.kernel.bundles import Bundle, BundleInvalid
from moderation.models import (
    ActivationProposal,
    Decision,
    Policy,
    PolicyActivation,
    PolicyMeasure,
    VerdictRow,
)
from moderation.operations.judging import replayed_outcome, text_outcome
from moderation.queries.policies import forget, keep_at_hand, policy_bundle

MOST_LISTED = 200
BATCH = 2000


class PolicyInvalid(DomainError):
    """The draft is not a policy; the detail says where."""

    code = "policy_invalid"
    title = "The policy cannot be used"
    status = 400


class PolicyNotMeasured(DomainError):
    """A policy judges people only after it was evaluated and replayed."""

    code = "policy_not_measured"
    title = "The policy has not been measured"
    status = 409


class SecondPersonNeeded(DomainError):
    """Whoever proposes a policy does not put it in force alone."""

    code = "second_person_needed"
    title = "A second person must agree"
    status = 409


@dataclass(frozen=True)
class LabelledPrompt:
    """One row of a labelled set."""

    text: str
    unsafe: bool
    source: str


@transaction.atomic
def draft_policy(
    *, document: Mapping[str, Any], based_on: str, note: str, actor: Actor, at: datetime
) -> Policy:
    """Keep a draft under its hash; the same document again is the same policy.

    Raises PolicyInvalid: malformed, or its version names another document.
    """
    try:
        bundle = bundles.parse(document)
    except BundleInvalid as mistake:
        raise PolicyInvalid(str(mistake)) from mistake
    existing = Policy.objects.filter(hash=bundle.hash).first()
    if existing is not None:
        return existing
    if Policy.objects.filter(version=bundle.version).exists():
        raise PolicyInvalid(f"The version {bundle.version} is taken by another document.")
    policy = Policy.objects.create(
        hash=bundle.hash,
        version=bundle.version,
        document=dict(document),
        based_on=based_on,
        author_id=UUID(actor.id) if actor.kind == "user" else None,
        note=note,
        created_at=at,
    )
    _audit("policy.drafted", policy, actor, based_on=based_on)
    return policy


def evaluate_policy(
    *, policy_hash: str, rows: Iterable[LabelledPrompt], subject: str, actor: Actor, at: datetime
) -> PolicyMeasure:
    """Judge a labelled set under the draft; keeps shares of 0 to 1 per source. Slow: outside any
    transaction. Raises NotFound, and whatever a classifier raises: a set half judged is no measure."""
    policy = _policy(policy_hash)
    bundle = policy_bundle(policy)
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        outcome = text_outcome(row.text, bundle)
        counted = counts.setdefault(row.source, Counter())
        counted[f"{'unsafe' if row.unsafe else 'safe'}_{outcome}"] += 1
    figures = {source: _shares(counted) for source, counted in sorted(counts.items())}
    figures["all"] = _shares(sum(counts.values(), Counter()))
    return _keep_measure(policy, "evaluation", subject, figures, actor, at)


def replay_policy(*, policy_hash: str, days: int, actor: Actor, at: datetime) -> PolicyMeasure:
    """Judge the recorded scores of the last ``days`` anew; lists what would change.

    Needs no prompt text: scores of a classifier that both policies pin alike are judged by the
    draft's thresholds. What another classifier judged is counted as not comparable.
    """
    policy = _policy(policy_hash)
    bundle = policy_bundle(policy)
    counts: Counter[str] = Counter()
    changes: list[dict[str, str]] = []
    since = at - timedelta(days=days)
    decisions = Decision.objects.filter(at__gt=since, at__lte=at).prefetch_related("verdicts")
    for decision in decisions.order_by("id").iterator(chunk_size=BATCH):
        change = _compared(decision, list(decision.verdicts.all()), bundle)
        counts[change["change"]] += 1
        if change["change"] in {"newly_refused", "newly_allowed"} and len(changes) < MOST_LISTED:
            changes.append(change)
    figures = {"days": days, "counts": dict(counts), "changes": changes}
    return _keep_measure(policy, "replay", f"the last {days} days", figures, actor, at)


@transaction.atomic
def propose_activation(
    *, policy_hash: str, mode: str, reason: str, actor: Actor, at: datetime, share_milli: int = 1000
) -> ActivationProposal:
    """Ask that a policy goes shadow, canary or live. Raises NotFound, PolicyInvalid, and
    PolicyNotMeasured for canary and live without an evaluation and a replay."""
    if mode not in {"shadow", "canary", "live", "end"} or not reason.strip():
        raise PolicyInvalid("Say whether shadow, canary, live or end, and give a reason.")
    policy = _policy(policy_hash)
    measured = set(policy.measures.values_list("kind", flat=True))
    if mode in {"canary", "live"} and measured != {"evaluation", "replay"}:
        missing = " and ".join(sorted({"evaluation", "replay"} - measured))
        raise PolicyNotMeasured(f"Before it goes {mode} it needs: {missing}.")
    proposal = ActivationProposal.objects.create(
        policy=policy,
        mode=mode,
        share_milli=share_milli,
        proposed_by_id=UUID(actor.id),
        reason=reason,
        at=at,
    )
    _audit("policy.proposed", policy, actor, mode=mode, reason=reason)
    return proposal


@transaction.atomic
def answer_proposal(
    *, proposal_id: UUID, accept: bool, actor: Actor, at: datetime
) -> PolicyActivation | None:
    """A second person accepts or declines; accepted, the policy is in force within two seconds.

    Raises NotFound (answered already) and SecondPersonNeeded (the proposer).
    """
    proposal = (
        ActivationProposal.objects.select_for_update()
        .select_related("policy")
        .filter(id=proposal_id, answered_at__isnull=True)
        .first()
    )
    if proposal is None:
        raise NotFound("There is no open proposal of that id.")
    if accept and actor.id == str(proposal.proposed_by_id):
        raise SecondPersonNeeded("You proposed it: another person must approve it.")
    proposal.answered_at, proposal.accepted = at, accept
    proposal.save(update_fields=["answered_at", "accepted"])
    _audit("policy.approved" if accept else "policy.declined", proposal.policy, actor)
    if not accept:
        return None
    activation = PolicyActivation.objects.create(
        policy=proposal.policy,
        mode=proposal.mode,
        share_milli=proposal.share_milli,
        proposed_by_id=proposal.proposed_by_id,
        approved_by_id=UUID(actor.id),
        reason=proposal.reason,
        at=at,
    )
    bundle = policy_bundle(proposal.policy)
    transaction.on_commit(lambda: _put_at_hand(bundle, live=proposal.mode == "live"))
    return activation


def _put_at_hand(bundle: Bundle, *, live: bool) -> None:
    keep_at_hand(bundle, live=live)
    forget()


def _policy(digest: str) -> Policy:
    policy = Policy.objects.filter(hash=digest).first()
    if policy is None:
        raise NotFound("There is no such policy.")
    return policy


def _compared(decision: Decision, verdicts: list[VerdictRow], bundle: Bundle) -> dict[str, str]:
    outcome, item = replayed_outcome(decision.stage, verdicts, bundle)
    before = decision.outcome in {"allow", "label"}
    if outcome is None:
        change = "not_comparable"
    elif before and not outcome.passes:
        change = "newly_refused"
    elif not before and outcome.passes:
        change = "newly_allowed"
    else:
        change = "same"
    return {
        "change": change,
        "decision": str(decision.id),
        "stage": decision.stage,
        "before": decision.outcome,
        "after": str(outcome or ""),
        "item": item,
    }


def _shares(counted: Mapping[str, int]) -> dict[str, float | int]:
    figures: dict[str, float | int] = {}
    for label in ("safe", "unsafe"):
        total = sum(count for name, count in counted.items() if name.startswith(f"{label}_"))
        figures[f"{label}_rows"] = total
        for outcome in ("review", "block"):
            share = counted.get(f"{label}_{outcome}", 0) / total if total else 0.0
            figures[f"{label}_{outcome}"] = round(share, 4)
    return figures


def _keep_measure(
    policy: Policy, kind: str, subject: str, figures: dict[str, Any], actor: Actor, at: datetime
) -> PolicyMeasure:
    with transaction.atomic():
        measure = PolicyMeasure.objects.create(
            policy=policy, kind=kind, subject=subject, figures=figures, actor_id=actor.id, at=at
        )
        _audit(f"policy.{kind}", policy, actor, subject=subject)
    return measure


def _audit(act: str, policy: Policy, actor: Actor, **facts: str) -> None:
    audit.record(
        act=act,
        actor=actor,
        subject_kind="policy",
        subject_id=policy.hash,
        facts={"version": policy.version, **facts},
    )
