"""``make bench-waiting``: what 500 clients that wait cost the others in one web process.

Half of them wait for a synchronous reply, half read a stream; no engine takes their jobs. Meanwhile other
requests (balance, models, a list) come at a steady rate by open-loop load: their p95 with and without
the waiting ones. Prints a table, then one line of JSON.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import psutil

from inference.benchmarks.admission import LIMIT_MS, load
from inference.benchmarks.home import Home, Meter
from inference.benchmarks.load import Measured, Order, request_bytes

PATHS = ("/v1/balance", "/v1/models", "/v1/generations?limit=5")
AT_ONCE = 8
ANSWER_BYTES = 2000


async def wait_for_image(order: Order, number: int, opened: asyncio.Semaphore) -> bytes:
    """One client that waits: sends its request and then only listens. What was answered, if it was."""
    answer = b""
    async with opened:
        reader, writer = await asyncio.open_connection("127.0.0.1", order.port)
        writer.write(request_bytes(order, number))
        await writer.drain()
        if order.body.get("stream"):
            await reader.readuntil(b": queued")
        else:
            await asyncio.sleep(0.05)
    try:
        while part := await reader.read(65536):
            answer = (answer + part)[:ANSWER_BYTES]
    finally:
        writer.close()
    return answer


@contextlib.asynccontextmanager
async def waiting(port: int, keys: list[str], clients: int) -> AsyncIterator[None]:
    """So many clients waiting, half of them streaming, for as long as the block runs."""
    opened = asyncio.Semaphore(AT_ONCE)
    tasks = []
    for number in range(clients):
        body: dict[str, object] = {"size": "64x64", "stream": bool(number % 2)}
        order = Order(
            port=port, path="/v1/images/generations", keys=keys, rate=0, seconds=0, body=body
        )
        tasks.append(asyncio.create_task(wait_for_image(order, number, opened)))
    await until_waiting(port, clients, tasks)
    yield
    alive = sum(not task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if alive < clients:
        raise SystemExit(f"only {alive} of {clients} clients were still waiting at the end")


async def until_waiting(port: int, clients: int, tasks: list["asyncio.Task[bytes]"]) -> None:
    """Until the server holds a connection for each of them, and ten seconds for what it admits."""
    while True:
        for task in tasks:
            if task.done():
                said = task.result().decode(errors="replace")
                raise SystemExit(f"a client was turned away instead of waiting: {said}")
        held = [
            each
            for each in psutil.net_connections("tcp")
            if each.laddr and each.laddr.port == port and each.status == "ESTABLISHED"
        ]
        if len(held) >= clients:
            await asyncio.sleep(10)
            return
        await asyncio.sleep(0.5)


def others(home: Home, rate: float, seconds: float) -> list[Measured]:
    """The other requests, one kind after the other."""
    return [
        load(
            Order(
                port=home.port, path=path, keys=home.keys, rate=rate, seconds=seconds, method="GET"
            )
        )
        for path in PATHS
    ]


def tell(name: str, found: list[Measured]) -> None:
    """The table's lines."""
    for path, measured in zip(PATHS, found, strict=True):
        sys.stdout.write(
            f"{name:<18} {path:<26} p50 {measured.p50_ms:>7.1f} ms  p95 {measured.p95_ms:>7.1f} ms  "
            f"errors {measured.errors}\n"
        )
    sys.stdout.flush()


async def bench(home: Home, clients: int, rate: float, seconds: float) -> dict[str, object]:
    """Alone, with the waiting clients, and what these cost."""
    web = home.processes[0].pid
    others(home, rate, 3)
    alone = await asyncio.to_thread(others, home, rate, seconds)
    tell("alone", alone)
    memory = Meter([web]).memory_mb()
    async with waiting(home.port, home.keys, clients):
        beside = await asyncio.to_thread(others, home, rate, seconds)
        threads = psutil.Process(web).num_threads()
        grown = Meter([web]).memory_mb() - memory
    tell(f"beside {clients} waiting", beside)
    p95 = max(each.p95_ms for each in beside)
    return {
        "waiting": clients,
        "p95_ms": p95,
        "p95_alone_ms": max(each.p95_ms for each in alone),
        "within_limit": p95 < LIMIT_MS,
        "errors": sum(each.errors for each in beside),
        "threads": threads,
        "memory_mb": round(grown, 1),
    }


def main() -> None:
    """One web process, as `make up` starts it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--rate", type=float, default=10.0, help="other requests a second")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each kind of request")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="licet-bench-") as folder:
        home = Home(Path(folder), tenants=8)
        try:
            home.open()
            home.serve(workers=1, concurrency=chosen.clients + 200)
            found = asyncio.run(bench(home, chosen.clients, chosen.rate, chosen.seconds))
        finally:
            home.close()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
