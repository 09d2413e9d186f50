"""``dry_run`` of POST /v1/generations: price, balance and verdict, without a job or a GPU."""

from typing import Any

from django.utils.timezone import now

from inference.operations.admissions import Submitter
from inference.operations.planning import GenerationRequest
from inference.operations.trial import try_generation
from inference.queries.backlog import backlog_seconds


def dry_run_body(asked: GenerationRequest, submitter: Submitter) -> dict[str, Any]:
    """What the request would cost, what would be left, and what the filter says of the prompt."""
    trial = try_generation(request=asked, submitter=submitter, at=now())
    plan = trial.plan
    return {
        "object": "generation.dry_run",
        "model": plan.authorization.release_slug,
        "size": f"{plan.size.width}x{plan.size.height}",
        "steps": plan.steps,
        "n": plan.request.images,
        "quote": plan.quote.as_json(),
        "quoted_microusd": trial.amount,
        "balance_microusd": trial.available,
        "balance_after_microusd": trial.available - trial.amount,
        "affordable": trial.available >= trial.amount,
        "prompt": {
            "allowed": trial.refusal is None,
            "code": trial.refusal.code if trial.refusal else None,
            "detail": trial.refusal.detail if trial.refusal else None,
            "aup_items": trial.refusal.facts.get("aup_items", []) if trial.refusal else [],
        },
        "estimated_wait_s": backlog_seconds(at=now()),
    }
