"""``make bench-audit``: a log of a million leaves, checked by a stranger, and tampered with in every way.

Prints a table, then one line of JSON.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from governance.benchmarks.server import own_database

# Entries as generations leave them, an hour apart for each fortieth of the log.
FILL = """
    SET session_replication_role = replica;
    INSERT INTO governance_audit_entry
        (id, at, organization_id, actor_kind, actor_id, actor_label, act, subject_kind, subject_id,
         facts, personal, salts, commitments, request_id)
    SELECT gen_random_uuid(), now() - interval '40 hours' + interval '1 hour' * (40.0 * n / {all}),
           md5((n %% 50)::text)::uuid, 'api_key', md5((n %% 500)::text), '', 'generation.succeeded',
           'generation', gen_random_uuid()::text,
           jsonb_build_object('delivered', 1, 'withheld', 0, 'charged_microusd', 6000, 'images',
               jsonb_build_array(jsonb_build_object('index', 0, 'decision', gen_random_uuid(),
                   'sha256', encode(sha256(n::text::bytea), 'hex')))),
           '{{}}', '{{}}', jsonb_build_object('actor', encode(sha256(n::text::bytea), 'hex')), 'req_' || n
    FROM generate_series({first}, {last}) AS n;
    INSERT INTO governance_audit_pending (entry_id)
    SELECT id FROM governance_audit_entry e
    WHERE NOT EXISTS (SELECT FROM governance_audit_leaf l WHERE l.entry_id = e.id);
    SET session_replication_role = DEFAULT;
"""
PARTS = 4
# The charge alone, so that nothing else of a leaf gives the forgery away.
CHEAPER = """replace(data, '"charged_microusd":6000', '"charged_microusd":1')"""


def main() -> int:
    """Fill, sequence, verify, tamper."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leaves", type=int, default=1_000_000)
    options = parser.parse_args()
    with own_database() as folder:
        figures = measure(options.leaves, folder)
    for name, value in figures.items():
        sys.stdout.write(f"{name:44} {value}\n")
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0 if figures["tamperings_found"] == figures["tamperings"] else 1


def measure(leaves: int, folder: Path) -> dict[str, Any]:
    """Every figure of the benchmark."""
    from governance.operations.audit_verification import verify_log
    from governance.reports.export import export_log

    sequencing = fill(leaves)
    began = time.perf_counter()
    export_log(folder / "log")
    exported = time.perf_counter() - began
    saved = folder / "saved.txt"
    saved.write_text(json.loads((folder / "log/checkpoints.json").read_text())[1])
    _, seconds = verified(folder / "log", saved, holds=True)
    began = time.perf_counter()
    inside = verify_log(full=True)
    assert inside.holds, inside.findings[:5]
    whole = time.perf_counter() - began
    found = {name: tampered(name, act, folder, saved) for name, act in tamperings(leaves).items()}
    return {
        "leaves": leaves,
        "sequenced_a_second": round(leaves / sequencing),
        "export_s": round(exported, 1),
        "stand_alone_verification_s": round(seconds, 1),
        "verify_audit_full_s": round(whole, 1),
        **{f"found: {name}": said for name, said in found.items()},
        "tamperings": len(found),
        "tamperings_found": sum(bool(said) for said in found.values()),
    }


def fill(leaves: int) -> float:
    """Write the entries in four parts, each signed; returns the seconds of sequencing."""
    from django.db import connection
    from django.utils.timezone import now

    from governance.operations.audit_tree import publish_checkpoint, sequence_entries

    seconds = 0.0
    for part in range(PARTS):
        first, last = leaves * part // PARTS + 1, leaves * (part + 1) // PARTS
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute(FILL.format(all=leaves, first=first, last=last).replace("%%", "%"))
        began = time.perf_counter()
        sequence_entries()
        seconds += time.perf_counter() - began
        publish_checkpoint(at=now() - timedelta(hours=40 - 40 * (part + 1) / PARTS))
        say(f"{last:,} leaves signed")
    return seconds


def verified(log: Path, saved: Path, *, holds: bool) -> tuple[str, float]:
    """Run the stand-alone verifier; what it said, and its seconds."""
    command = [sys.executable, "-I", str(log / "verify.py"), str(log), "--checkpoint", str(saved)]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    seconds = time.perf_counter() - began
    if holds and done.returncode:
        raise SystemExit(f"the untouched log does not verify: {done.stdout}{done.stderr}")
    said = re.search(r"DOES NOT HOLD: (.*)", done.stdout)
    return (said[1] if said else ""), seconds


def tamperings(leaves: int) -> dict[str, Callable[[Any], None]]:
    """Each way to change the log as one who owns the server: SQL with the triggers off."""
    middle, leaf = leaves // 2, "governance_audit_leaf"
    far = 10 * leaves

    def run(*statements: str) -> Callable[[Any], None]:
        def act(cursor: Any) -> None:
            for statement in statements:
                cursor.execute(statement)

        return act

    copy = (
        f"INSERT INTO {leaf} (index, entry_id, organization_id, ordinal, data, hash) "  # noqa: S608
        f"SELECT {middle}, gen_random_uuid(), NULL, {far}, data, hash FROM {leaf} WHERE index = 7"
    )
    return {
        "edit": run(f"UPDATE {leaf} SET data = {CHEAPER} WHERE index = {middle}"),  # noqa: S608
        "insert": run(f"UPDATE {leaf} SET index = index + {far} WHERE index >= {middle}",  # noqa: S608
                      f"UPDATE {leaf} SET index = index - {far} + 1 WHERE index >= {far}", copy),  # noqa: S608
        "delete": run(f"DELETE FROM {leaf} WHERE index = {middle}"),  # noqa: S608
        "reorder": run(f"UPDATE {leaf} SET index = {far} WHERE index = {middle}",  # noqa: S608
                       f"UPDATE {leaf} SET index = {middle} WHERE index = {middle} + 50",  # noqa: S608
                       f"UPDATE {leaf} SET index = {middle} + 50 WHERE index = {far}"),  # noqa: S608
        "truncate": run(f"DELETE FROM {leaf} WHERE index >= {leaves} - 10"),  # noqa: S608
        "back-date": back_date,
        "rewrite after a published checkpoint": rewrite_from(middle // 2),
        "truncate to a checkpoint, all later ones deleted": run(
            f"DELETE FROM {leaf} WHERE index >= {leaves // PARTS}",  # noqa: S608
            f"DELETE FROM governance_audit_checkpoint WHERE size > {leaves // PARTS}"),  # noqa: S608
    }  # fmt: skip


def back_date(cursor: Any) -> None:
    """A new entry that claims to be two days old, properly sequenced and signed with the key."""
    from django.utils.timezone import now

    from governance.models import AuditEntry
    from governance.operations.audit_tree import publish_checkpoint, sequence_entries

    cursor.execute("SET session_replication_role = DEFAULT")
    AuditEntry.objects.create(
        at=now() - timedelta(days=2), actor_kind="system", actor_id="licet", act="credit.granted",
        subject_kind="thing", subject_id="1",
    )  # fmt: skip
    sequence_entries()
    publish_checkpoint(at=now())


def rewrite_from(first: int) -> Callable[[Any], None]:
    """Everything from a leaf on is changed, hashed and signed anew, with the true key."""

    def act(cursor: Any) -> None:
        from django.utils.timezone import now

        from governance.operations.audit_tree import publish_checkpoint

        cursor.execute(
            f"""UPDATE governance_audit_leaf SET data = {CHEAPER},
                hash = sha256('\\x00'::bytea || convert_to({CHEAPER}, 'UTF8'))
                WHERE index >= {first}"""  # noqa: S608
        )
        cursor.execute(f"DELETE FROM governance_audit_checkpoint WHERE size > {first}")  # noqa: S608
        # A node of level 8 stands over 2**8 leaves, one of level 16 over 2**16, and so on.
        cursor.execute(
            "DELETE FROM governance_audit_node WHERE index >= %s::bigint >> level::int", [first]
        )
        rebuild_nodes(first)
        publish_checkpoint(at=now())

    return act


def rebuild_nodes(first: int) -> None:
    """The inner nodes over the changed leaves."""
    from governance.operations.audit_tree import complete_nodes
    from governance.queries.audit_tree import log_size

    complete_nodes(first // 256 * 256, log_size())


def tampered(name: str, act: Callable[[Any], None], folder: Path, saved: Path) -> str:
    """Tamper in a transaction, export what a stranger would be given, take it back, verify."""
    from django.db import connection, transaction

    from governance.reports.export import export_log

    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            act(cursor)
        export_log(folder / "tampered")
        transaction.set_rollback(True)
    said, _ = verified(folder / "tampered", saved, holds=False)
    say(f"{name}: {said or 'NOT FOUND'}")
    return said


def say(text: str) -> None:
    """Progress, apart from the result."""
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
