"""What must hold after a change of hosts or servers, asked of the database that is primary now."""

import json
from pathlib import Path

from tests.chaos.clients import Crowd
from tests.topology.hosts import Host

PROMISES = (
    "lost", "double_charged", "double_delivered", "charged_undelivered", "told_otherwise",
    "delivered_unscreened", "stuck",
)  # fmt: skip


def as_json(crowd: Crowd) -> str:
    """What the clients were told: their own log."""
    return json.dumps(
        [
            {
                "key": told.wish.idempotency_key,
                "ids": sorted(told.ids),
                "status": told.status,
                "sha256": told.sha256,
                "charged": told.charged,
                "tries": told.tries,
            }
            for told in crowd.told
        ]
    )


def require_kept(host: Host, crowd: Crowd, folder: Path) -> dict[str, object]:
    """Every promise of the books; what they found. Raises AssertionError with the rows that break one."""
    log = folder / "told.json"
    log.write_text(as_json(crowd))
    found: dict[str, object] = host.ask("-m", "tests.chaos.books", "check", str(log))
    assert not {name: found[name] for name in PROMISES if found[name]}
    for check in (("check_ledger", "--json"), ("verify_audit", "--full")):
        done = host.manage("manage.py", *check)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return found
