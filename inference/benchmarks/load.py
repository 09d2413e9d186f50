"""Open-loop load: requests leave when they are due, whether or not earlier ones have been answered.

A process of its own: ``python -m inference.benchmarks.load`` reads one order as JSON from standard input
and prints what it measured as JSON. Latency counts from when a request was due, so that a server that
falls behind cannot hide it (coordinated omission).
"""

import asyncio
import json
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from itertools import count

SUBJECTS = ("a lighthouse", "two cats", "a bowl of ramen", "an old sailor", "a city of glass")
MANNERS = ("in watercolour", "as a woodcut", "at dusk, soft light", "seen from above, in fog")


@dataclass
class Order:
    """What to send: ``rate`` a second for ``seconds`` to one of ``keys`` in turn."""

    port: int
    path: str
    keys: list[str]
    rate: float
    seconds: float
    body: dict[str, object] = field(default_factory=dict)
    method: str = "POST"
    first: int = 0
    patience_s: float = 30.0
    wires: int = 16


@dataclass
class Measured:
    """What came back. ``p95_ms`` and ``p50_ms`` over all requests, errors among them at their time."""

    sent: int
    errors: int
    p50_ms: float
    p95_ms: float
    first_error: str


class Wires:
    """Connections that are kept open and used by one request at a time, the longest idle first.

    A connection stays with the web process that accepted it. One that is used again and again would
    measure one process, however many there are.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()

    async def open(self, count: int) -> None:
        """Open ``count`` connections before the clock runs. Raises OSError."""
        for _ in range(count):
            self.idle.append(await asyncio.open_connection("127.0.0.1", self.port))

    async def ask(self, request: bytes) -> int:
        """Send one request and read its whole reply; the status. Raises OSError."""
        wire = self.idle.popleft() if self.idle else None
        reader, writer = wire or await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        await read_body(reader, head.lower())
        self.idle.append((reader, writer))
        return status


async def read_body(reader: asyncio.StreamReader, head: bytes) -> None:
    """Read what belongs to a reply, by length or by chunks."""
    if b"transfer-encoding: chunked" in head:
        while (size := int(await reader.readline(), 16)) > 0:
            await reader.readexactly(size + 2)
        await reader.readline()
        return
    for line in head.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line.partition(b":")[2]))


def request_bytes(order: Order, number: int) -> bytes:
    """Request ``number``: a prompt that nobody sent before."""
    prompt = (
        f"{SUBJECTS[number % len(SUBJECTS)]} {MANNERS[number // len(SUBJECTS) % len(MANNERS)]}, "
        f"study number {number}"
    )
    body = json.dumps({**order.body, "prompt": prompt}).encode() if order.method == "POST" else b""
    return (
        f"{order.method} {order.path} HTTP/1.1\r\nHost: 127.0.0.1:{order.port}\r\n"
        f"Authorization: Bearer {order.keys[number % len(order.keys)]}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def run(order: Order) -> Measured:
    """Send everything, wait for every answer."""
    wires = Wires(order.port)
    await wires.open(order.wires)
    latencies: list[float] = []
    errors: list[str] = []

    async def one(number: int, due: float) -> None:
        try:
            async with asyncio.timeout(order.patience_s):
                status = await wires.ask(request_bytes(order, number))
            if status >= 300:  # noqa: PLR2004 (every answer but success is an error here)
                errors.append(f"status {status}")
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            errors.append(f"{type(error).__name__}: {error}")
        latencies.append((time.perf_counter() - due) * 1000)

    began = time.perf_counter()
    tasks = []
    for number in count():
        due = began + number / order.rate
        if due - began >= order.seconds:
            break
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(order.first + number, due)))
    await asyncio.gather(*tasks)
    latencies.sort()
    return Measured(
        sent=len(tasks),
        errors=len(errors),
        p50_ms=round(percentile(latencies, 0.5), 1),
        p95_ms=round(percentile(latencies, 0.95), 1),
        first_error=errors[0] if errors else "",
    )


def percentile(ordered: list[float], share: float) -> float:
    """The value below which ``share`` of ``ordered`` lies (nearest rank)."""
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


if __name__ == "__main__":
    measured = asyncio.run(run(Order(**json.load(sys.stdin))))
    sys.stdout.write(json.dumps(asdict(measured)) + "\n")
