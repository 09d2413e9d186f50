"""Refuses a dependency whose licence is not on the list: ``python -m deploy.supply.licences``.

Reads the installed packages' own metadata, so it needs no network. Packages of requirements.lock for
other systems are not installed here and are counted, not judged.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from fnmatch import fnmatchcase
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from license_expression import ExpressionError, LicenseExpression, Licensing

ROOT = Path(__file__).resolve().parents[2]
LOCK, POLICY = ROOT / "requirements.lock", Path(__file__).with_name("licences.toml")
PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==", re.MULTILINE | re.IGNORECASE)
# Classifiers that stand beside the licence and name none.
VAGUE = frozenset({"License :: OSI Approved", "License :: DFSG approved"})
UNKNOWN = ""


@dataclass(frozen=True)
class Policy:
    """What is allowed, packages' words for it, and what a person has read."""

    allowed: frozenset[str]
    words: Mapping[str, str] = field(default_factory=dict)
    read: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def was_read(self, name: str, says: str) -> bool:
        """Whether a person has read the licence of this package that says so of itself."""
        return any(
            fnmatchcase(name, what) and said["says"] == says for what, said in self.read.items()
        )


def policy_of(path: Path = POLICY) -> Policy:
    """The policy in a file."""
    found = tomllib.loads(path.read_text())
    return Policy(frozenset(found["allowed"]), found["words"], found["read"])


def declared(package: Message, policy: Policy) -> str:
    """What a package says of its licence, in SPDX's words where the policy knows them; "" for nothing."""
    expression = package.get("License-Expression")
    if expression:
        return expression
    classifiers = [
        each
        for each in package.get_all("Classifier", [])
        if each.startswith("License ::") and each not in VAGUE
    ]
    if classifiers:
        return " AND ".join(policy.words.get(each, each) for each in classifiers)
    lines = (package.get("License") or UNKNOWN).strip().splitlines()
    # Some packages put the whole text here; that is for a person to read.
    return policy.words.get(lines[0], lines[0]) if len(lines) == 1 else UNKNOWN


def is_allowed(expression: str, allowed: frozenset[str]) -> bool:
    """Whether one choice among its alternatives asks only for licences of the list."""
    try:
        parsed = Licensing().parse(expression)
    except ExpressionError:
        return False
    return parsed is not None and holds(parsed, allowed)


def holds(part: LicenseExpression, allowed: frozenset[str]) -> bool:
    """``is_allowed`` for a parsed expression. An exception (WITH) only adds to what is granted."""
    operator = getattr(part, "operator", "").strip()
    if operator in {"AND", "OR"}:
        each = [holds(inner, allowed) for inner in part.args]
        return all(each) if operator == "AND" else any(each)
    return str(getattr(part, "license_symbol", part)) in allowed


@dataclass
class Findings:
    """What is refused and why, and what could not be seen."""

    refused: dict[str, str] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    judged: int = 0


def judge(names: Iterable[str], policy: Policy) -> Findings:
    """Every package of ``names``."""
    found = Findings()
    for name in names:
        try:
            says = declared(metadata(name), policy)  # type: ignore[arg-type] # (an email message)
        except PackageNotFoundError:
            found.absent.append(name)
            continue
        found.judged += 1
        if not (is_allowed(says, policy.allowed) or policy.was_read(name, says)):
            found.refused[name] = says or "says nothing of its licence"
    return found


def main() -> int:
    """Judge requirements.lock; 1 when a package is refused."""
    found = judge(PINNED.findall(LOCK.read_text()), policy_of())
    for name, says in found.refused.items():
        sys.stdout.write(
            f"{name}: {says}. Read its licence; then either remove the package, or write into "
            f"{POLICY.relative_to(ROOT)} what it is and why it may be here.\n"
        )
    if not found.refused:
        absent = f", {len(found.absent)} are for other systems" if found.absent else ""
        sys.stdout.write(f"{found.judged} packages have allowed licences{absent}\n")
    return 1 if found.refused else 0


if __name__ == "__main__":
    sys.exit(main())
