"""How the filters fare: coverage of policy items, error rates, latency, drift."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from moderation.kernel.bundles import Bundle
from moderation.models import Decision, VerdictRow

MODALITIES = (("input", "Prompt"), ("media", "Reference image"), ("output", "Generated image"))
SAMPLE = 5000
WEEK, DAY = timedelta(days=7), timedelta(days=1)
# What the hash banks look at beside the policy's classifiers, and the items they cover.
BANKED_STAGES, BANKED_ITEMS = frozenset({"media", "output"}), frozenset({"1", "2"})


@dataclass(frozen=True)
class CoverageCell:
    """Who covers one item in one modality; without anybody, why that is accepted."""

    classifiers: tuple[str, ...]
    accepted: str

    @property
    def covered(self) -> bool:
        """Whether a classifier looks at it."""
        return bool(self.classifiers)


@dataclass(frozen=True)
class CoverageRow:
    """One policy item across the modalities."""

    item: str
    title: str
    cells: tuple[CoverageCell, ...]


@dataclass(frozen=True)
class DetectorFigures:
    """One classifier in the last seven days. Latency in ms; ``drift`` is the last day's mean highest
    score minus that of the six days before."""

    detector: str
    version: str
    verdicts: int
    failed: int
    p50_ms: float
    p95_ms: float
    drift: float | None

    @property
    def error_share(self) -> float:
        """Failed of all, 0 to 1."""
        return self.failed / self.verdicts if self.verdicts else 0.0


def coverage(bundle: Bundle) -> list[CoverageRow]:
    """Policy item by modality; a gap shows the policy's signed reason, or that there is none."""
    gaps = bundle.document.get("accepted_gaps", {})
    return [
        CoverageRow(
            key, item.title, tuple(_cell(bundle, gaps, key, stage) for stage, _ in MODALITIES)
        )
        for key, item in bundle.items.items()
    ]


def _cell(
    bundle: Bundle, gaps: dict[str, dict[str, object]], item: str, stage: str
) -> CoverageCell:
    names = tuple(
        f"{each.name} {each.version}" for each in bundle.stages.get(stage, ()) if item in each.items
    )
    if stage in BANKED_STAGES and item in BANKED_ITEMS:
        names = (*names, "hash banks")
    gap = gaps.get(stage, {})
    items = gap.get("items", [])
    accepted = str(gap.get("why", "")) if isinstance(items, list) and item in items else ""
    return CoverageCell(names, accepted)


def detector_figures(*, at: datetime) -> list[DetectorFigures]:
    """Figures of every classifier seen in the last seven days, from its latest 5,000 verdicts."""
    recent = VerdictRow.objects.filter(decision__at__gt=at - WEEK, decision__at__lte=at)
    versions = recent.values_list("detector", "detector_version").distinct()
    return [_figures(name, version, at) for name, version in sorted(versions)]


def _figures(name: str, version: str, at: datetime) -> DetectorFigures:
    rows = list(
        VerdictRow.objects.filter(
            detector=name, detector_version=version, decision__at__gt=at - WEEK
        )
        .exclude(status="skipped")
        .order_by("-id")
        .values_list("status", "latency_ms", "scores", "decision__at")[:SAMPLE]
    )
    latencies = [latency for _, latency, _, _ in rows] or [0]
    highest = [(max(scores.values()), when) for _, _, scores, when in rows if scores]
    return DetectorFigures(
        detector=name,
        version=version,
        verdicts=len(rows),
        failed=sum(status == "failed" for status, *_ in rows),
        p50_ms=float(np.percentile(latencies, 50)),
        p95_ms=float(np.percentile(latencies, 95)),
        drift=_drift(highest, at),
    )


def _drift(highest: list[tuple[float, datetime]], at: datetime) -> float | None:
    new = [score for score, when in highest if when > at - DAY]
    old = [score for score, when in highest if when <= at - DAY]
    return round(float(np.mean(new) - np.mean(old)), 4) if new and old else None


def decided_counts(*, at: datetime) -> dict[str, int]:
    """Decisions of the last seven days: all, withheld, and without a full set of verdicts."""
    recent = Decision.objects.filter(at__gt=at - WEEK, at__lte=at)
    withheld = recent.exclude(outcome__in=("allow", "label"))
    return {
        "all": recent.count(),
        "withheld": withheld.count(),
        "incomplete": recent.filter(complete=False).count(),
    }
