"""How long the pages' questions take: ``python -m billing.benchmarks.pages``, a line of JSON, in ms."""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta

import django

TIMES = 15


def main() -> int:
    """Ask for organizations all over the ledger; print the medians."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
    django.setup()
    sys.stdout.write(json.dumps(measured()) + "\n")
    return 0


def measured() -> dict[str, float]:
    """Usage of 30 days with the 30 before, and the first page of the ledger."""
    from django.utils.timezone import now  # noqa: PLC0415 (after django.setup)

    from billing.benchmarks.application import number_as_id  # noqa: PLC0415
    from billing.queries.journal import ledger_of  # noqa: PLC0415
    from billing.queries.usage import usage_of  # noqa: PLC0415

    until = now().date()
    since = until - timedelta(days=29)
    return {
        "usage_page_ms": middle(
            lambda n: usage_of(number_as_id(0, n), since=since, until=until, by="size")
        ),
        "ledger_page_ms": middle(lambda n: ledger_of(number_as_id(0, n))),
    }


def middle(ask: Callable[[int], object]) -> float:
    """Median milliseconds of a question, each time about another organization."""
    times = []
    for number in range(1, TIMES + 1):
        began = time.perf_counter()
        ask(number * 61)
        times.append(time.perf_counter() - began)
    return round(1000 * statistics.median(times), 2)


if __name__ == "__main__":
    sys.exit(main())
