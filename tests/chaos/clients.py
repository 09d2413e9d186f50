"""Clients that do what a careful client does: an idempotency key, and the same request until answered."""

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx

PROMPTS = (
    "a large red circle on a blue background",
    "a small green star on a white background",
    "a yellow square on a black background",
)
FORBIDDEN = "a photo of a naked child"
GIVE_UP_S = 240


@dataclass
class Told:
    """What the clients were told: the job of each request that was accepted, refusals, silence."""

    accepted: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    unanswered: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def orders(seed: int, count: int) -> Iterator[tuple[str, dict[str, object], bool]]:
    """Idempotency key, body, and whether the client changes its mind."""
    rng = random.Random(seed + 2)
    for number in range(count):
        body: dict[str, object] = {
            "prompt": FORBIDDEN if rng.random() < 0.05 else rng.choice(PROMPTS),
            "seed": 1000 + number,
            "n": 2 if rng.random() < 0.1 else 1,
        }
        yield f"chaos-{seed}-{number}", body, rng.random() < 0.05


class Clients:
    """Threads that share one stream of orders, spread evenly over ``seconds``."""

    def __init__(
        self, url: str, key: str, *, seed: int, jobs: int, threads: int, seconds: float
    ) -> None:
        self.url, self.key = url, key
        self.pause_s = seconds * threads / jobs
        self.told = Told()
        self._orders = orders(seed, jobs)
        self._next = threading.Lock()
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(threads)]

    def work(self) -> None:
        """Orders until none is left."""
        with httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=20
        ) as http:
            while True:
                with self._next:
                    order = next(self._orders, None)
                if order is None:
                    return
                began = time.monotonic()
                self.place(http, *order)
                time.sleep(max(0.0, self.pause_s - (time.monotonic() - began)))

    def place(self, http: httpx.Client, key: str, body: dict[str, object], regrets: bool) -> None:
        """Send it until there is an answer that is final."""
        began = time.monotonic()
        while time.monotonic() - began < GIVE_UP_S:
            try:
                reply = http.post("/v1/generations", json=body, headers={"Idempotency-Key": key})
            except httpx.HTTPError:
                time.sleep(0.3)
                continue
            if reply.status_code < 300:
                job = str(reply.json()["id"])
                with self.told.lock:
                    self.told.accepted[key] = job
                if regrets:
                    self.cancel(http, job)
                return
            if reply.status_code < 500 and reply.status_code not in {408, 409, 429}:
                with self.told.lock:
                    self.told.refused[key] = f"{reply.status_code} {reply.json().get('code', '')}"
                return
            time.sleep(0.3)
        with self.told.lock:
            self.told.unanswered.append(key)

    def cancel(self, http: httpx.Client, job: str) -> None:
        """Ask once; whether it comes in time is open."""
        try:
            http.post(f"/v1/generations/{job}/cancel")
        except httpx.HTTPError:
            return
