"""One generation's life as steps for people, from request to delivery."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.queries.ledger import lines_of_job
from governance.models import AuditEntry
from governance.queries.audit import entries_about
from inference.queries.generations import GenerationDetail
from moderation.queries.decisions import DecisionLine, decisions_of_job

# What an audit entry about a generation means for people: title, icon, tone.
ACTS = {
    "generation.submitted": ("Accepted and queued", "clock", "good"),
    "generation.claimed": ("An engine took the job", "engine", "good"),
    "generation.requeued": ("The engine was lost; back in the queue", "warning", "warn"),
    "generation.succeeded": ("Delivered", "check", "good"),
    "generation.blocked": ("Blocked", "blocked", "bad"),
    "generation.failed": ("Failed", "warning", "warn"),
    "generation.cancel_requested": ("Cancellation asked for", "stop", ""),
    "generation.cancelled": ("Cancelled", "stop", ""),
}
LEDGER = {"hold": "wallet", "capture": "wallet", "release": "wallet"}
STAGES = {"input": "Prompt gate", "output": "Image gate"}


@dataclass(frozen=True)
class Step:
    """One moment of the timeline; ``since`` in s since the step before, None for the first."""

    at: datetime
    title: str
    icon: str
    tone: str
    text: str = ""
    scores: tuple[dict[str, Any], ...] = ()
    since: float | None = None
    order: int = field(default=0)


def timeline(detail: GenerationDetail) -> list[Step]:
    """Every step in order of time, with the time that passed between them."""
    job = detail.summary.id
    steps = [received(detail), licensed(detail)]
    steps += [gate_step(line) for line in decisions_of_job(job)]
    steps += money_steps(job)
    steps += [act_step(entry, detail) for entry in entries_about("generation", job)]
    steps += stored(detail)
    steps.sort(key=lambda step: (step.at, step.order))
    return [
        Step(**{**step.__dict__, "since": (step.at - before.at).total_seconds()})
        if before is not None
        else step
        for before, step in zip([None, *steps[:-1]], steps, strict=True)
    ]


def received(detail: GenerationDetail) -> Step:
    """The request."""
    summary = detail.summary
    who = summary.key_label or summary.member_email or "the portal"
    return Step(
        summary.created_at,
        "Request received",
        "document",
        "good",
        f"by {who}, request {detail.request_id or 'without id'}",
        order=-9,
    )


def licensed(detail: GenerationDetail) -> Step:
    """The licence engine's answer, as it was frozen for the job."""
    facts = detail.authorization
    return Step(
        detail.summary.created_at,
        "Licence standing allowed it",
        "shield",
        "good",
        f"{str(facts.get('standing', '')).replace('_', ' ')}, "
        f"terms {str(facts.get('terms_sha256', ''))[:12]}",
        order=-8,
    )


def gate_step(line: DecisionLine) -> Step:
    """One classifier's verdict with its scores against the thresholds."""
    passed = line.outcome in {"allow", "label"}
    where = STAGES.get(line.stage, line.stage)
    what = "allowed" if passed else line.outcome.replace("_", " ")
    text = f"{line.detector} {line.version}, policy {line.policy_version}, {line.latency_ms} ms"
    return Step(
        line.at,
        f"{where}: {what}" + (f" (item {line.item})" if line.item and not passed else ""),
        "shield" if passed else "blocked",
        "good" if passed else "bad",
        f"{line.reason} · {text}" if line.reason and not passed else text,
        tuple(line.scores[:4]),
        order=-5 if line.stage == "input" else 1,
    )


def money_steps(job: UUID) -> list[Step]:
    """Hold, capture and release."""
    titles = {"hold": "Price set aside", "capture": "Charged", "release": "Remainder released"}
    return [
        Step(
            line.at,
            titles.get(line.kind, "Hold released, nothing charged"),
            "wallet",
            "good" if line.kind != "voided" else "",
            line.text,
            order=-3 if line.kind == "hold" else 4,
        )
        for line in lines_of_job(job)
    ]


def act_step(entry: AuditEntry, detail: GenerationDetail) -> Step:
    """An audited act."""
    title, icon, tone = ACTS.get(entry.act, (entry.act, "info", ""))
    facts = entry.facts
    text = {
        "generation.claimed": f"{entry.actor_id}, attempt {facts.get('attempt', 1)}",
        "generation.requeued": str(facts.get("reason", "")),
        "generation.succeeded": f"{facts.get('delivered', 0)} of {detail.summary.images} images",
        "generation.blocked": detail.summary.error_detail,
        "generation.failed": detail.summary.error_detail,
        "generation.cancelled": detail.summary.error_detail,
    }.get(entry.act, "")
    # The database's clock stamps the entry; the job's own moments order what shares a transaction.
    moments = {
        "generation.submitted": detail.summary.created_at,
        "generation.blocked": detail.summary.finished_at,
        "generation.succeeded": detail.summary.finished_at,
        "generation.failed": detail.summary.finished_at,
        "generation.cancelled": detail.summary.finished_at,
    }
    return Step(moments.get(entry.act) or entry.at, title, icon, tone, text, order=5)


def stored(detail: GenerationDetail) -> list[Step]:
    """The stored images with their receipts."""
    finished = detail.summary.finished_at
    if finished is None:
        return []
    return [
        Step(
            finished,
            f"Image {image.index + 1} stored with its receipt",
            "image",
            "good",
            f"SHA-256 {image.sha256[:16]}…, {image.size_bytes:,} bytes, "
            f"signature {str(receipt.get('signature', ''))[:12]}…",
            order=2,
        )
        for image, receipt in zip(detail.summary.artifacts, detail.receipts, strict=True)
    ]
