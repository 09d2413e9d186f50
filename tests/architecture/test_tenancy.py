"""What runs for no tenant inside a tenant's request is few functions, each with its reason."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DECISION = ROOT / "docs/decisions/0071-row-level-security.md"
PACKAGES = ("governance", "moderation", "billing", "inference")
USE = re.compile(r"@privileged\(\)\ndef (\w+)|with privileged\(\)")


def test_every_privileged_block_is_named_in_the_decision() -> None:
    told = DECISION.read_text()
    uses = [
        f"{path.relative_to(ROOT)}{f'::{found[1]}' if found[1] else ''}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for found in USE.finditer(path.read_text())
        if path.name != "tenancy.py"
    ]

    unnamed = [use for use in uses if f"`{use}`" not in told]

    assert unnamed == []
    assert len(uses) == told.count(".py::") + told.count(".py`"), "the decision names one too many"
