"""Filter health, and the policies: drafts, their measures, two people."""

import json
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_GET, require_POST

from governance.kernel.errors import DomainError
from governance.queries.lately import lately
from moderation.models import Policy
from moderation.operations.policies import (
    PolicyInvalid,
    answer_proposal,
    draft_policy,
    propose_activation,
    replay_policy,
)
from moderation.operations.readiness import GateNotReady, probe
from moderation.portal.access import actor_on, person_on, staff_page
from moderation.queries.filter_health import (
    MODALITIES,
    coverage,
    decided_counts,
    detector_figures,
)
from moderation.queries.policies import active_bundle, in_force
from moderation.queries.policy_history import open_proposals, policies_known, policy_detail

REPLAY_DAYS = 7
WHOLE, CANARY_PERCENT, MOST_PERCENT = 1000, 10, 50


@require_GET
@staff_page
def health(request: HttpRequest) -> HttpResponse:
    """Coverage by item and modality, figures of each classifier, the self-test."""
    at = now()
    try:
        self_test, ready = probe("web"), True
    except GateNotReady as failure:
        self_test, ready = str(failure), False
    context = {
        "bundle": active_bundle(),
        "modalities": [word for _, word in MODALITIES],
        "coverage": coverage(active_bundle()),
        "figures": lately("detectors", lambda: detector_figures(at=at)),
        "counts": lately("decided", lambda: decided_counts(at=at)),
        "self_test": self_test,
        "ready": ready,
    }
    return render(request, "moderation/health.html", context)


@require_GET
@staff_page
def policies(request: HttpRequest) -> HttpResponse:
    """Every policy with its measures, what is in force, and proposals that wait for a second person."""
    force = in_force()
    context = {
        "force": force,
        "policies": policies_known(),
        "proposals": open_proposals(),
        "me": person_on(request).id,
    }
    return render(request, "moderation/policies.html", context)


@staff_page
def policy_editor(request: HttpRequest) -> HttpResponse:
    """A draft from the policy in force: change the JSON, keep it under its hash."""
    live = active_bundle()
    text = request.POST.get("document") or json.dumps(live.document, indent=2)
    if request.method == "POST":
        try:
            policy = draft_policy(
                document=json.loads(text),
                based_on=live.hash,
                note=request.POST.get("note", "")[:2000],
                actor=actor_on(request),
                at=now(),
            )
        except json.JSONDecodeError as mistake:
            messages.error(request, f"This is no JSON: {mistake}.")
        except DomainError as refusal:
            messages.error(request, refusal.detail)
        else:
            return redirect("moderation-policy", policy_hash=policy.hash)
    return render(request, "moderation/policy_editor.html", {"text": text, "live": live})


@require_GET
@staff_page
def policy_page(request: HttpRequest, policy_hash: str) -> HttpResponse:
    """One policy: what it changes, how it was measured, what the replay lists."""
    detail = policy_detail(policy_hash)
    if detail is None:
        raise Http404
    context = {
        "detail": detail,
        "days": REPLAY_DAYS,
        "canary_percent": CANARY_PERCENT,
        "most_percent": MOST_PERCENT,
    }
    return render(request, "moderation/policy.html", context)


@require_POST
@staff_page
def policy_act(request: HttpRequest, policy_hash: str) -> HttpResponse:
    """Replay a policy on the last days, or propose that it goes shadow, canary or live."""
    act = request.POST.get("act", "")
    try:
        if act == "replay":
            replay_policy(
                policy_hash=policy_hash, days=REPLAY_DAYS, actor=actor_on(request), at=now()
            )
            messages.success(request, "Replayed. What would change is listed below.")
        else:
            propose_activation(
                policy_hash=policy_hash,
                mode=act,
                reason=request.POST.get("reason", ""),
                share_milli=_share(request, act),
                actor=actor_on(request),
                at=now(),
            )
            messages.success(request, "Proposed. Another person must approve it.")
    except (DomainError, Policy.DoesNotExist) as refusal:
        messages.error(request, str(refusal))
    return redirect("moderation-policy", policy_hash=policy_hash)


def _share(request: HttpRequest, mode: str) -> int:
    """Thousandths of the jobs that a canary judges; every other mode judges all."""
    percent = request.POST.get("percent", "")
    if mode != "canary":
        return WHOLE
    if not percent.isdecimal() or not 1 <= int(percent) <= MOST_PERCENT:
        raise PolicyInvalid(f"Give the canary a share of 1 to {MOST_PERCENT} % of the jobs.")
    return int(percent) * 10


@require_POST
@staff_page
def proposal_answer(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """The second person's answer."""
    accept = request.POST.get("answer") == "accept"
    try:
        answer_proposal(proposal_id=proposal_id, accept=accept, actor=actor_on(request), at=now())
    except DomainError as refusal:
        messages.error(request, refusal.detail)
    else:
        messages.success(request, "It is in force." if accept else "Declined.")
    return redirect("moderation-policies")
