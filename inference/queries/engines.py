"""Which engines are there, and what they hold."""

from datetime import datetime, timedelta

from django.utils.timezone import now

from inference.models import EngineStatus

SEEN_WITHIN = timedelta(seconds=60)
READY_WITHIN = timedelta(seconds=30)
GONE = frozenset({"stopped", "failed", "unloaded"})
SERVING = frozenset({"ready", "busy"})


def is_served(slug: str, *, at: datetime) -> bool:
    """Whether an engine holds the release, or none has reported yet so that one may come.

    Where engines are there and none of them holds it, a job would wait for nothing.
    """
    seen = EngineStatus.objects.filter(seen_at__gt=at - SEEN_WITHIN).exclude(state__in=GONE)
    slugs = set(seen.exclude(release_slug="").values_list("release_slug", flat=True))
    return not slugs or slug in slugs


def probe_engine() -> str:
    """The engines that were ready within 30 s; raises RuntimeError with the last words of the others."""
    engines = list(EngineStatus.objects.order_by("-seen_at")[:20])
    alive = [
        engine
        for engine in engines
        if engine.state in SERVING and now() - engine.seen_at < READY_WITHIN
    ]
    if not alive:
        last = engines[0] if engines else None
        raise RuntimeError(
            f"no engine is ready: {last.state} {last.detail}".strip()
            if last
            else "no engine has reported yet"
        )
    return ", ".join(f"{engine.release_slug} on {engine.device}" for engine in alive)


def engines_of_host(host: str) -> list[EngineStatus]:
    """The engines of the worker that reported last from ``host``; empty when none ever did.

    A worker is HOST:PROCESS:NUMBER; what an earlier process left behind says nothing of this one.
    """
    rows = list(EngineStatus.objects.filter(worker__startswith=f"{host}:").order_by("-seen_at"))
    latest = rows[0].worker.rpartition(":")[0] if rows else ""
    return [row for row in rows if row.worker.rpartition(":")[0] == latest]
