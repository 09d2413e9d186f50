"""One generation's life as steps for people, from request to delivery."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from uuid import UUID

from billing.queries.ledger import lines_of_job
from governance.models import AuditEntry
from governance.queries.audit import entries_about
from inference.queries.generations import GenerationDetail
from moderation.queries.decisions import DecisionLine, decisions_of_job
from moderation.queries.policies import item_titles

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
STAGES = {"input": "Prompt gate", "output": "Image gate", "reference": "Reference gate"}
PASSED = {"allow", "label"}
OUTCOMES = {"block": "refused", "review": "held for review"}
SHOWN_SCORES = 4
DIALECTS = defaultdict(
    lambda: "over the API",
    {"openai": "over the OpenAI-compatible API", "portal": "in the playground"},
)


@dataclass(frozen=True)
class Score:
    """One classifier's score from 0 to 1 beside the threshold that blocks."""

    label: str
    score: float
    block: float | None


@dataclass(frozen=True)
class Step:
    """One moment of the timeline; ``since`` in s since the step before, None for the first."""

    at: datetime
    title: str
    icon: str
    tone: str
    text: str = ""
    lines: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()
    decision_id: UUID | None = None
    since: float | None = None
    order: int = field(default=0)


def timeline(detail: GenerationDetail) -> list[Step]:
    """Every step in order of time, with the time that passed between them."""
    job = detail.summary.id
    steps = [received(detail), licensed(detail)]
    verdicts = decisions_of_job(job, organization_id=detail.organization_id)
    steps += [
        gate_step(list(lines)) for _, lines in groupby(verdicts, key=lambda line: line.decision_id)
    ]
    steps += money_steps(job)
    steps += [act_step(entry, detail) for entry in entries_about("generation", job)]
    steps += stored(detail)
    steps.sort(key=lambda step: (step.at, step.order))
    befores = [None, *steps[:-1]]
    return [
        replace(step, since=(step.at - before.at).total_seconds() if before else None)
        for before, step in zip(befores, steps, strict=True)
    ]


def received(detail: GenerationDetail) -> Step:
    """The request: by which key or person, from where."""
    summary = detail.summary
    who = f"key {summary.key_label}" if summary.key_label else summary.member_email or "the portal"
    address = next(
        (entry.ip for entry in entries_about("generation", summary.id) if entry.ip), None
    )
    text = f"By {who}" + (f" from {address}" if address else "") + f", {DIALECTS[summary.dialect]}"
    lines = (f"Request {detail.request_id}",) if detail.request_id else ()
    return Step(summary.created_at, "Request received", "document", "good", text, lines, order=-9)


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


def gate_step(lines: Sequence[DecisionLine]) -> Step:
    """One decision: what its classifiers scored, against which thresholds, and what follows."""
    first = lines[0]
    worst = next((line for line in lines if line.outcome not in PASSED), None)
    judged = all(line.status == "done" for line in lines)
    where = STAGES.get(first.stage, first.stage)
    picture = f" {first.index + 1}" if first.stage == "output" and first.index else ""
    outcome = "allowed" if worst is None else OUTCOMES.get(worst.outcome, worst.outcome)
    titles = item_titles(first.policy_hash)
    return Step(
        first.at,
        f"{where}{picture}: {outcome if judged else 'not judged'}",
        "shield" if worst is None and judged else "blocked",
        "good" if worst is None and judged else "bad",
        "" if worst is None else reason_of(worst, titles),
        tuple(
            f"{line.detector} {line.version}, {line.latency_ms} ms, policy {line.policy_version}"
            for line in lines
        ),
        nearest_scores(lines, titles),
        None if worst is None else first.decision_id,
        order=-5 if first.stage == "input" else 1,
    )


def reason_of(line: DecisionLine, titles: Mapping[str, str]) -> str:
    """Why in plain words: the item of the policy, then the reason."""
    item = f"Policy item {line.item}, {titles.get(line.item, '')}. " if line.item else ""
    return f"{item}{line.reason}".strip()


def nearest_scores(lines: Sequence[DecisionLine], titles: Mapping[str, str]) -> tuple[Score, ...]:
    """The few scores that came nearest to their threshold, the nearest first."""
    scores = [
        Score(titles.get(each["label"], each["label"]), each["score"], each["block"])
        for line in lines
        for each in line.scores
    ]
    scores.sort(key=lambda each: -(each.score / each.block if each.block else each.score))
    return tuple(scores[:SHOWN_SCORES])


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
