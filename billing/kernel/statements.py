"""A statement's content and its place in the chain: the same bytes from the same figures, always."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from governance.kernel.canonical import fingerprint

# What a journal kind is called on a statement.
TITLES = {
    "credit_paid": "Top-up",
    "credit_promotional": "Promotional credit",
    "credit_expired": "Expired credit",
    "refund": "Refund to card",
    "refund_failed": "Refund returned",
    "dispute_withdrawn": "Disputed payment",
    "dispute_reinstated": "Dispute won",
    "adjustment": "Adjustment",
    "capture": "Images delivered",
}
COLUMNS = (
    "kind",
    "at",
    "reference",
    "project",
    "key",
    "model",
    "size",
    "price_version",
    "jobs",
    "images",
)


@dataclass(frozen=True)
class StatementLine:
    """One line, µUSD: a single booking, or the images of one project, key, model, size and price."""

    kind: str
    amount: int
    jobs: int
    images: int
    at: str = ""
    reference: str = ""
    project: str = ""
    key: str = ""
    model: str = ""
    size: str = ""
    price_version: str = ""

    def as_json(self) -> dict[str, Any]:
        """For the statement's body."""
        return {name: getattr(self, name) for name in COLUMNS} | {
            "title": TITLES.get(self.kind, self.kind),
            "amount_microusd": self.amount,
        }


def statement_body(
    *,
    organization: dict[str, str],
    number: int,
    period: tuple[str, str],
    opening: int,
    lines: Sequence[StatementLine],
) -> dict[str, Any]:
    """The body that is stored and hashed. ``closing`` is opening plus lines, by construction."""
    return {
        "organization": organization,
        "number": number,
        "starts_at": period[0],
        "ends_at": period[1],
        "currency": "USD",
        "opening_microusd": opening,
        "lines": [line.as_json() for line in lines],
        "closing_microusd": opening + sum(line.amount for line in lines),
    }


def chained_hash(body: dict[str, Any], previous: str) -> str:
    """SHA-256 over the body and the hash of the statement before; empty for the first."""
    return fingerprint({"previous_sha256": previous, "body": body})


def broken_links(statements: Sequence[dict[str, Any]]) -> list[str]:
    """What does not hold in a chain of {body, previous_sha256, sha256}, oldest first."""
    broken: list[str] = []
    before: dict[str, Any] = {"sha256": "", "body": {"closing_microusd": 0, "number": 0}}
    for statement in statements:
        body = statement["body"]
        name = f"statement {body['number']}"
        lines = sum(line["amount_microusd"] for line in body["lines"])
        if body["number"] != before["body"]["number"] + 1:
            broken.append(f"{name} follows number {before['body']['number']}")
        if statement["previous_sha256"] != before["sha256"]:
            broken.append(f"{name} does not name the hash of the one before")
        if chained_hash(body, statement["previous_sha256"]) != statement["sha256"]:
            broken.append(f"{name} does not have the hash of its content")
        if body["opening_microusd"] != before["body"]["closing_microusd"]:
            broken.append(f"{name} does not open where the one before closed")
        if body["opening_microusd"] + lines != body["closing_microusd"]:
            broken.append(f"{name} does not add up")
        before = statement
    return broken


def as_csv(body: dict[str, Any]) -> str:
    """The statement's lines between its opening and closing balance, µUSD."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["title", *COLUMNS, "amount_microusd"])
    blank = [""] * len(COLUMNS)
    writer.writerow(["Opening balance", *blank, body["opening_microusd"]])
    for line in body["lines"]:
        cells = [safe_cell(str(line[name])) for name in COLUMNS]
        writer.writerow([line["title"], *cells, line["amount_microusd"]])
    writer.writerow(["Closing balance", *blank, body["closing_microusd"]])
    return out.getvalue()


def safe_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
