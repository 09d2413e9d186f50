"""Which programs make up the stack."""

import sys
from dataclasses import dataclass
from pathlib import Path

from governance.stack.children import Program
from governance.stack.layout import Layout

PYTHON = sys.executable
# Far above what the demo needs; beyond it uvicorn answers 503 instead of queueing without bound.
WEB_CONCURRENCY = 512
WORKER_THREADS = 4


@dataclass(frozen=True)
class Plan:
    """The commands of one stack; tests put small stand-ins in their place."""

    migrate: tuple[str, ...]
    seed: tuple[str, ...]
    programs: tuple[Program, ...]


def real_plan(layout: Layout, *, port: int, root: Path, log_level: str) -> Plan:
    """The product itself."""
    manage = (PYTHON, str(root / "manage.py"))
    history = Program("history", (*manage, "seed_history"), late=True, once=True)
    return Plan(
        migrate=(*manage, "migrate", "--no-input", "--verbosity", "1"),
        seed=(*manage, "seed_demo", "--json"),
        programs=(
            Program("worker", worker_command(log_level)),
            Program("web", web_command(port, log_level), after_seed=True),
            Program("beat", beat_command(layout, log_level), late=True),
            *(() if layout.history.exists() else (history,)),
        ),
    )


def web_command(port: int, log_level: str) -> tuple[str, ...]:
    """uvicorn, reachable from this machine only."""
    listen = ("--host", "127.0.0.1", "--port", str(port))
    limits = ("--limit-concurrency", str(WEB_CONCURRENCY), "--timeout-graceful-shutdown", "5")
    habits = ("--lifespan", "off", "--no-server-header", "--log-level", log_level.lower())
    return (PYTHON, "-m", "uvicorn", "governance.asgi:application", *listen, *limits, *habits)


def worker_command(log_level: str) -> tuple[str, ...]:
    """The Celery supervisor, which starts the engine itself, and before anything else."""
    pool = ("--pool", "threads", "--concurrency", str(WORKER_THREADS))
    habits = ("--without-gossip", "--without-mingle", "--loglevel", log_level)
    queues = ("--queues", "generation,training,housekeeping", "--hostname", "supervisor@%h")
    return (PYTHON, "-m", "inference.worker", *pool, *queues, *habits)


def beat_command(layout: Layout, log_level: str) -> tuple[str, ...]:
    """The clock of the periodic tasks."""
    files = ("--schedule", str(layout.run / "beat-schedule"), "--pidfile", "")
    return (PYTHON, "-m", "celery", "-A", "governance", "beat", *files, "--loglevel", log_level)
