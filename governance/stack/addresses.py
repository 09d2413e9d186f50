"""The note that says where the embedded servers of a LICET_HOME listen."""

import json
import socket
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from governance.stack import valkey
from governance.stack.layout import Layout
from governance.stack.postgres import SOCKET_NAME


def write_note(layout: Layout, addresses: dict[str, str]) -> None:
    """Write the addresses down, for our eyes only, whole or not at all."""
    draft = layout.addresses.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(addresses))
    draft.replace(layout.addresses)


def remove_note(layout: Layout) -> None:
    """Forget the addresses: the servers stop."""
    layout.addresses.unlink(missing_ok=True)


def living_addresses(home: Path) -> dict[str, str]:
    """The addresses of the note that really answer; those of a killed stack do not."""
    try:
        note = dict(json.loads(Layout(home).addresses.read_text()))
    except (OSError, ValueError):
        return {}
    probes = {"database_url": socket_answers, "redis_url": valkey.answers}
    return {name: url for name, url in note.items() if name in probes and probes[name](url)}


def socket_answers(url: str) -> bool:
    """Whether somebody listens on the Unix socket of a PostgreSQL address."""
    folder = parse_qs(urlsplit(url).query).get("host", [""])[0]
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(str(Path(folder) / SOCKET_NAME))
        except OSError:
            return False
    return True
