"""Known vulnerabilities of requirements.lock: ``python -m deploy.supply.audit``.

pip-audit asks; this tells apart what it does not: "nothing is known against them" from "nobody could be
asked". Exit status 0: every package was asked about and is clean; 1: something is known; 2: not everything
could be asked.
"""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"
CLEAN, VULNERABLE, UNKNOWN = 0, 1, 2
PATIENCE_S = 15


@dataclass
class Answer:
    """What was said about a list of packages; ``trouble`` where nothing was."""

    asked: int = 0
    vulnerable: dict[str, list[str]] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    trouble: str = ""

    @property
    def status(self) -> int:
        """The exit status. What is known is worse than what is not."""
        if self.vulnerable:
            return VULNERABLE
        return UNKNOWN if self.unknown or self.trouble or not self.asked else CLEAN


def ask(lock: Path, *options: str) -> Answer:
    """Ask the advisory database about a file of pinned and hashed packages."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--format", "json"]
    habits = ["--require-hashes", "--disable-pip", "--progress-spinner", "off"]
    patience = ["--timeout", str(PATIENCE_S)]
    done = subprocess.run(  # noqa: S603 (our own interpreter and its module)
        [*command, *habits, *patience, *options], capture_output=True, text=True, check=False
    )
    return understood(done.stdout, done.stderr)


def understood(out: str, complaint: str) -> Answer:
    """pip-audit's answer; its last complaint where it gave none."""
    try:
        packages: list[dict[str, Any]] = json.loads(out)["dependencies"]
    except (ValueError, KeyError):
        lines = complaint.strip().splitlines() or ["pip-audit said nothing"]
        return Answer(trouble=lines[-1])
    answer = Answer()
    for package in packages:
        if "skip_reason" in package:
            answer.unknown[package["name"]] = package["skip_reason"]
            continue
        answer.asked += 1
        known = [told(each) for each in package["vulns"]]
        if known:
            answer.vulnerable[f"{package['name']} {package['version']}"] = known
    return answer


def told(vulnerability: dict[str, Any]) -> str:
    """One known vulnerability, and what mends it."""
    mended = ", ".join(vulnerability["fix_versions"]) or "no version yet"
    return f"{vulnerability['id']} (mended in {mended})"


def report(answer: Answer) -> str:
    """For people."""
    if answer.trouble:
        return (
            "NOT AUDITED: the advisory database could not be asked, so nothing is known of any package. "
            f"Run it again where it can be reached. ({answer.trouble})\n"
        )
    lines = [
        f"{name}: {', '.join(known)}. Raise it with `make lock ARGS='--upgrade-package NAME'`."
        for name, known in answer.vulnerable.items()
    ]
    if answer.unknown:
        lines.append(
            f"NOT AUDITED: {len(answer.unknown)} packages of which the database answered nothing, "
            f"among them {', '.join(list(answer.unknown)[:5])}."
        )
    lines.append(
        f"{answer.asked} packages were asked about, {len(answer.vulnerable)} have known "
        "vulnerabilities."
    )
    return "\n".join(lines) + "\n"


def main(options: list[str]) -> int:
    """Ask about requirements.lock; ``options`` go to pip-audit."""
    answer = ask(LOCK, *options)
    sys.stdout.write(report(answer))
    return answer.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
