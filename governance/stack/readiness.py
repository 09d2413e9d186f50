"""Asking the web process whether every part is healthy."""

import http.client
import json
import time
from dataclasses import dataclass, field

from governance.stack.progress import Progress

ASK_S = 5.0
REMIND_S = 10.0
OK = 200


@dataclass
class Readiness:
    """What /readyz said so far; each part is announced once."""

    port: int
    host: str
    progress: Progress
    announced: set[str] = field(default_factory=set)
    missing: dict[str, str] = field(default_factory=dict)
    reminded: float = field(default_factory=time.monotonic)

    def is_reached(self) -> bool:
        """Ask once; says True when every required part is healthy."""
        answer = self.ask()
        if answer is None:
            self.missing = self.missing or {"web": "does not answer yet"}
            self.remind()
            return False
        status, checks = answer
        self.missing = {name: str(c["detail"]) for name, c in checks.items() if not c["ok"]}
        for name in checks.keys() - self.missing.keys() - self.announced:
            self.progress.tell(f"{name} is healthy: {checks[name]['detail']}")
            self.announced.add(name)
        if status != OK:
            self.remind()
        return status == OK

    def remind(self) -> None:
        """Say now and then what is still awaited."""
        now = time.monotonic()
        if now - self.reminded > REMIND_S:
            self.reminded = now
            self.progress.tell(
                "still waiting for " + "; ".join(map(": ".join, self.missing.items()))
            )

    def ask(self) -> tuple[int, dict[str, dict[str, object]]] | None:
        """Status and checks; None while nobody answers properly."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ASK_S)
        try:
            line.request("GET", "/readyz", headers={"Host": self.host})
            reply = line.getresponse()
            return reply.status, dict(json.loads(reply.read())["checks"])
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return None
        finally:
            line.close()
