"""Reading policies: all that are known, one with its measures and its difference from the live one."""

import difflib
import json
from dataclasses import dataclass

from moderation.models import ActivationProposal, Policy, PolicyMeasure, ShadowDecision
from moderation.queries.policies import active_bundle

PAGE = 50


@dataclass(frozen=True)
class PolicyDetail:
    """One policy, its difference from the live one line by line, its measures, newest first."""

    policy: Policy
    difference: list[str]
    measures: list[PolicyMeasure]
    shadow: dict[str, int]


def policies_known() -> list[Policy]:
    """Policies that were drafted here, newest first."""
    return list(Policy.objects.select_related("author").order_by("-created_at")[:PAGE])


def open_proposals() -> list[ActivationProposal]:
    """Proposals that wait for a second person."""
    found = ActivationProposal.objects.filter(answered_at__isnull=True)
    return list(found.select_related("policy", "proposed_by").order_by("at")[:PAGE])


def policy_detail(policy_hash: str) -> PolicyDetail | None:
    """The policy, or None."""
    policy = Policy.objects.filter(hash=policy_hash).first()
    if policy is None:
        return None
    return PolicyDetail(
        policy=policy,
        difference=difference(dict(active_bundle().document), policy.document),
        measures=list(policy.measures.order_by("-at")[:PAGE]),
        shadow=_shadow(policy_hash),
    )


def difference(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """The lines that differ between two policies, as a unified difference without headings."""
    old, new = (json.dumps(each, indent=2, sort_keys=True).splitlines() for each in (before, after))
    return list(difflib.unified_diff(old, new, lineterm="", n=2))[2:]


def _shadow(policy_hash: str) -> dict[str, int]:
    opinions = ShadowDecision.objects.filter(policy_hash=policy_hash)
    passing = ("allow", "label")
    return {
        "judged": opinions.count(),
        "would_refuse": opinions.filter(live_outcome__in=passing)
        .exclude(shadow_outcome__in=passing)
        .count(),
        "would_allow": opinions.exclude(live_outcome__in=passing)
        .filter(shadow_outcome__in=passing)
        .count(),
    }
