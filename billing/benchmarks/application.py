"""The application's own operations under load: ``python -m billing.benchmarks.application``.

One process with several threads, each with a connection of its own, placing holds (and capturing them)
through ``billing.operations`` for some seconds. Prints ``ready``, waits for a line, works, prints how
many: processes that start at different moments must not be measured one after the other.
"""

import argparse
import os
import random
import sys
import threading
import time
from uuid import UUID

import django


def number_as_id(kind: int, number: int) -> UUID:
    """The ids of ``scripts.seed``: kind 0 organization, 1 project, 2 key."""
    return UUID(f"00000000-0000-7000-{0x8000 + kind:04x}-{number:012x}")


def main() -> int:
    """Print the number of holds placed (and captured) within the time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--organizations", type=int, required=True)
    parser.add_argument("--pairs", action="store_true", help="capture each hold as well")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
    django.setup()
    sys.stdout.write(f"{run(options)}\n")
    return 0


def run(options: argparse.Namespace) -> int:
    """Let every thread work, connected, from the word on until the time is over; what they did."""
    done = [0] * options.threads
    connected = threading.Barrier(options.threads + 1)
    go = threading.Barrier(options.threads + 1)
    threads = [
        threading.Thread(target=work, args=(options, index, done, (connected, go)))
        for index in range(options.threads)
    ]
    for thread in threads:
        thread.start()
    connected.wait()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    go.wait()
    for thread in threads:
        thread.join()
    return sum(done)


def work(
    options: argparse.Namespace,
    index: int,
    done: list[int],
    gates: tuple[threading.Barrier, threading.Barrier],
) -> None:
    """One client: hold after hold, each for an organization at random."""
    from django.db import connections  # noqa: PLC0415 (after django.setup)
    from django.utils.timezone import now  # noqa: PLC0415

    from billing.kernel.pricing import Quote  # noqa: PLC0415
    from billing.models import PriceVersion  # noqa: PLC0415
    from billing.operations.admission import admit_hold  # noqa: PLC0415
    from billing.operations.holds import HoldRequest, capture_hold  # noqa: PLC0415
    from governance.kernel.ids import uuid7  # noqa: PLC0415
    from governance.kernel.money import Microdollars  # noqa: PLC0415

    amount = Microdollars(4_000)
    version = PriceVersion.objects.values_list("id", flat=True)[0]
    quote = Quote(amount=amount, per_image=amount, images=1, price_version_id=version, lines=())
    dice = random.Random(f"{os.getpid()} {index}")  # noqa: S311 (spreads load, hides nothing)
    for gate in gates:
        gate.wait()
    deadline = time.monotonic() + options.seconds
    while time.monotonic() < deadline:
        number, job = dice.randint(1, options.organizations), uuid7()
        request = HoldRequest(
            organization_id=number_as_id(0, number),
            project_id=number_as_id(1, number),
            api_key_id=number_as_id(2, number),
            job_id=job,
            quote=quote,
            idempotency_key=f"job:{job}",
            request_sha256="",
            at=now(),
        )
        hold = admit_hold(request=request)
        if options.pairs:
            capture_hold(hold_id=hold.hold_id, delivered_images=1, lease_epoch=0, at=now())
        done[index] += 1
    connections.close_all()


if __name__ == "__main__":
    sys.exit(main())
