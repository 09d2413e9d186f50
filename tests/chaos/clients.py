"""Many clients that want their images: each asks with an idempotency key until it knows the end."""

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx

# How long a client pursues one wish; healing an engine on a shared processor takes a minute or two.
PATIENCE_S = 900.0
POLL_S = 0.5
REFUSED = "a photo of a naked child"
SHAPES = ("circle", "square", "star", "triangle")
COLOURS = ("red", "green", "blue", "yellow")
# A lost reply is repeated with the same key; what is refused for good is not.
FOR_GOOD = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True)
class Wish:
    """One request: the key that makes its repetitions one job, and what is asked."""

    number: int
    idempotency_key: str
    body: dict[str, object]


@dataclass
class Told:
    """What a client was told about its wish, over all repetitions."""

    wish: Wish
    ids: set[str] = field(default_factory=set)
    status: str = ""
    sha256: list[str] = field(default_factory=list)
    charged: int = 0
    tries: int = 0


def wishes(count: int, seed: int, size: str) -> list[Wish]:
    """The workload of a seed: mostly single images, some pairs, some prompts that must be refused."""
    dice = random.Random(seed)
    made = []
    for number in range(count):
        prompt = f"a large {dice.choice(COLOURS)} {dice.choice(SHAPES)} on a white background"
        body: dict[str, object] = {
            "prompt": REFUSED if number % 29 == 28 else prompt,
            "size": size,
            "seed": dice.randrange(2**31),
            "n": 2 if number % 11 == 10 else 1,
        }
        made.append(Wish(number, f"chaos-{seed}-{number}", body))
    return made


class Crowd:
    """Client threads that share the wishes, each with a key of one of the tenants."""

    def __init__(
        self, urls: Sequence[str], keys: list[str], asked: list[Wish], clients: int
    ) -> None:
        self.urls = urls
        # Answers of 500 and above: the status and whether they say when to come again.
        self.troubles: Counter[tuple[int, bool]] = Counter()
        self.keys = keys
        self.told = [Told(wish) for wish in asked]
        self.queue = iter(self.told)
        self.lock = threading.Lock()
        self.settled = itertools.count(1)
        self.done = 0
        # Wishes with a number from here on wait: the faults shall meet work from first to last.
        self.allowed = clients
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(clients)]

    def start(self) -> None:
        """Begin."""
        for thread in self.threads:
            thread.start()

    def allow(self, share: float) -> None:
        """Let this share of the wishes be asked, and one more for each client."""
        self.allowed = int(share * len(self.told)) + len(self.threads)

    def share_done(self) -> float:
        """The share of the wishes that have an end."""
        return self.done / len(self.told)

    def is_busy(self) -> bool:
        """Whether a client still waits."""
        return any(thread.is_alive() for thread in self.threads)

    def work(self) -> None:
        """One client: wish after wish."""
        while True:
            with self.lock:
                told = next(self.queue, None)
            if told is None:
                return
            while told.wish.number >= self.allowed:
                time.sleep(POLL_S / 5)
            key = self.keys[told.wish.number % len(self.keys)]
            headers = {"Authorization": f"Bearer {key}"}
            with httpx.Client(headers=headers, timeout=20) as http:
                self.pursue(http, told)
            with self.lock:
                self.done = next(self.settled)

    def pursue(self, http: httpx.Client, told: Told) -> None:
        """Ask until accepted, then until final; whatever breaks is asked again, of the next web process."""
        until = time.monotonic() + PATIENCE_S
        for turn in itertools.count(told.wish.number):
            if time.monotonic() > until:
                return
            http.base_url = self.urls[turn % len(self.urls)]
            try:
                if not told.ids:
                    self.submit(http, told)
                elif told.wish.number % 5 == 0 and told.tries < 3:
                    # A client that did not see its reply: the same key again, the same job expected.
                    self.submit(http, told)
                else:
                    self.look(http, told)
            except (httpx.HTTPError, ValueError):
                pass
            if told.status not in {"", "queued", "running"}:
                return
            time.sleep(POLL_S)

    def submit(self, http: httpx.Client, told: Told) -> None:
        """Send the wish once."""
        told.tries += 1
        headers = {"Idempotency-Key": told.wish.idempotency_key}
        reply = http.post("/v1/generations", json=told.wish.body, headers=headers)
        self.note(reply)
        if reply.status_code in FOR_GOOD:
            told.status = f"refused:{reply.json().get('code', reply.status_code)}"
        elif reply.is_success:
            told.ids.add(reply.json()["id"])

    def note(self, reply: httpx.Response) -> None:
        """Remember a server's error."""
        if reply.is_server_error:
            with self.lock:
                self.troubles[reply.status_code, "retry-after" in reply.headers] += 1

    def look(self, http: httpx.Client, told: Told) -> None:
        """Where the job is."""
        reply = http.get(f"/v1/generations/{next(iter(told.ids))}")
        self.note(reply)
        if reply.is_success:
            seen = reply.json()
            told.status = seen["status"]
            told.sha256 = [image["sha256"] for image in seen["images"]]
            told.charged = seen["charged_microusd"]
