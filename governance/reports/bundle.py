"""The bundle: report, entries with proofs and the program that checks them, signed, in one zip."""

import base64
import csv
import hashlib
import io
import json
import zipfile
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, Min

from governance.kernel import merkle
from governance.kernel.canonical import canonical_json, sha256_hex
from governance.models import AuditCheckpoint, AuditEntry, AuditLeaf
from governance.operations.audit_tree import audit_signer
from governance.queries.audit_tree import stored_nodes
from governance.reports.assembly import Report
from governance.reports.pdf import report_pdf

HERE = Path(__file__).parent
# Zip's earliest date: a bundle's bytes do not tell when it was made.
LONG_AGO = (1980, 1, 1, 0, 0, 0)
COMPRESSION = 1
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Span:
    """Which leaves a report shows, as a condition of SQL with its values."""

    condition: str
    values: tuple[str | int | UUID, ...]

    def select(self, column: str) -> tuple[str, tuple[str | int | UUID, ...]]:
        """A statement that reads one column of the leaves in their order."""
        statement = (
            f"SELECT {column} FROM governance_audit_leaf WHERE {self.condition} ORDER BY index"  # noqa: S608
        )
        return statement, self.values


def write_bundle(
    report: Report, target: IO[bytes], *, progress: Progress = lambda _done, _all: None
) -> dict[str, Any]:
    """Write the zip to ``target``; returns its manifest. The same report gives the same bytes."""
    files: list[dict[str, Any]] = []
    span = span_of(report)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as archive:
        for name, data in sorted(small_files(report, span).items()):
            archive.writestr(_info(name), data)
            files.append({"path": name, "sha256": sha256_hex(data), "bytes": len(data)})
        files.append(_write_entries(archive, report, span, progress))
        manifest = {
            "object": "compliance_bundle",
            "organization": report.document["organization"],
            "period": report.document["period"],
            "files": sorted(files, key=lambda each: str(each["path"])),
        }
        body = canonical_json(manifest)
        archive.writestr(_info("manifest.json"), body)
        note = audit_signer().sign(f"licet compliance bundle\nsha256 {sha256_hex(body)}\n")
        archive.writestr(_info("manifest.note"), note.encode())
    return manifest


def small_files(report: Report, span: Span) -> dict[str, bytes]:
    """Everything but the entries, by name."""
    document = report.document
    files = {
        **report.projections,
        "report.json": json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True).encode(),
        "report.schema.json": (HERE / "report.schema.json").read_bytes(),
        "report.pdf": report_pdf(report),
        "figures.csv": as_csv(("figure", "value"), flattened(document["figures"])),
        "clauses.csv": as_csv(
            tuple(document["clauses"][0]) if document["clauses"] else ("number",),
            (tuple(each.values()) for each in document["clauses"]),
        ),
        "reconciliation.csv": as_csv(
            ("name", "entries", "records", "differences"),
            (tuple(each.values()) for each in document["reconciliation"]),
        ),
        "proof.json": canonical_json(proof_of(report, span)),
        "key.txt": (audit_signer().verifier_key + "\n").encode(),
        "verify.py": (HERE / "verify.py").read_bytes(),
    }
    for section in document["sections"]:
        for number, table in enumerate(section["tables"], start=1):
            name = f"tables/{section['name']}-{number}.csv"
            files[name] = as_csv(tuple(table["columns"]), map(tuple, table["rows"]))
    return files


def as_csv(columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> bytes:
    """A table as CSV; a cell that a spreadsheet would run as a formula begins with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_harmless(cell) for cell in row])
    return out.getvalue().encode()


def _harmless(cell: object) -> object:
    return (
        f"'{cell}"
        if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t"))
        else cell
    )


def flattened(value: Any, path: str = "") -> Iterator[tuple[str, object]]:
    """Nested figures as lines: ("generations/asked", 12)."""
    if isinstance(value, dict):
        for name in sorted(value):
            yield from flattened(value[name], f"{path}/{name}" if path else name)
    else:
        yield path, value


def span_of(report: Report) -> Span:
    """The leaves of the period's entries, with a neighbour on each side.

    Consecutive by the organization's own count (or the log's), so that leaving one out shows.
    """
    entries = AuditEntry.objects.filter(
        at__gte=report.period.starts_at, at__lt=report.period.ends_at
    )
    size = report.checkpoint.size
    leaves, column = AuditLeaf.objects.filter(index__lt=size), "index"
    if report.organization is not None:
        own = report.organization.id
        entries, leaves = entries.filter(organization_id=own), leaves.filter(organization_id=own)
        column = "ordinal"
    edges = leaves.filter(entry_id__in=entries.values("id")).aggregate(
        first=Min(column), last=Max(column)
    )
    if edges["first"] is None:
        return Span("false", ())
    condition = f"index < %s AND {column} BETWEEN %s AND %s"
    values = (size, edges["first"] - 1, edges["last"] + 1)
    if report.organization is None:
        return Span(condition, values)
    return Span(f"{condition} AND organization_id = %s", (*values, report.organization.id))


def proof_of(report: Report, span: Span) -> dict[str, Any]:
    """What proves all entries together: their places, the hashes between them, signed checkpoints."""
    with connection.cursor() as cursor:
        cursor.execute(*span.select("index"))
        indices = [row[0] for row in cursor.fetchall()]
    node, size = stored_nodes(), report.checkpoint.size
    earlier = AuditCheckpoint.objects.filter(
        size__lt=size, at__gte=report.period.starts_at
    ).order_by("size")
    return {
        "checkpoint": report.checkpoint.note,
        "former_keys": sorted(settings.AUDIT_FORMER_KEYS),
        "runs": runs(indices),
        "hashes": [encoded(each) for each in between(indices, size, node)] if indices else [],
        "earlier": [
            {
                "checkpoint": each.note,
                "consistency": [
                    encoded(value) for value in merkle.consistency_proof(each.size, size, node)
                ],
            }
            for each in earlier
        ],
    }


def encoded(data: bytes) -> str:
    """Bytes in base64."""
    return base64.b64encode(data).decode()


def runs(indices: list[int]) -> list[list[int]]:
    """Consecutive numbers as [first, count]."""
    found: list[list[int]] = []
    for index in indices:
        if found and found[-1][0] + found[-1][1] == index:
            found[-1][1] += 1
        else:
            found.append([index, 1])
    return found


def between(indices: list[int], size: int, node: merkle.Node) -> Iterator[bytes]:
    """The roots of the largest subtrees without any of ``indices``, left to right."""
    waiting = [(0, size, 0, len(indices))]
    while waiting:
        begin, end, low, high = waiting.pop()
        if low == high:
            yield merkle.subtree(begin, end, node)
        elif high - low < end - begin:
            middle = begin + merkle.split(end - begin)
            cut = bisect_left(indices, middle, low, high)
            waiting.append((middle, end, cut, high))
            waiting.append((begin, middle, low, cut))


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, LONG_AGO)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info


def _write_entries(
    archive: zipfile.ZipFile, report: Report, span: Span, progress: Progress
) -> dict[str, Any]:
    """entries.jsonl: each line is the exact bytes of a leaf, streamed from the database."""
    digest, size, lines = hashlib.sha256(), 0, 0
    with archive.open(_info("entries.jsonl"), "w", force_zip64=True) as stream:
        for block in leaf_lines(span):
            stream.write(block)
            digest.update(block)
            size += len(block)
            lines += block.count(b"\n")
            progress(lines, report.document["figures"]["entries"])
    return {"path": "entries.jsonl", "sha256": digest.hexdigest(), "bytes": size}


def leaf_lines(span: Span) -> Iterator[bytes]:
    """Blocks of lines; a server-side cursor, so that a million entries need no memory."""
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(*span.select("data"))
        while rows := cursor.fetchmany(10_000):
            yield "".join(f"{row[0]}\n" for row in rows).encode()
