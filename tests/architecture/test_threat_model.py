"""The threat model names tests that exist, and the doctor tells where a boundary is missing."""

import re
from pathlib import Path

import pytest
from django.utils.timezone import now

from governance.kernel.diagnosis import Health
from governance.operations import examining_servers
from governance.operations.examining_servers import look_at_isolation

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.findall(
    r"`(tests/[\w/]+\.py)::(test_\w+)`", (ROOT / "docs" / "threat-model.md").read_text()
)


def test_the_threat_model_names_tests() -> None:
    assert len(NAMED) > 30


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED)))
def test_a_test_that_the_threat_model_names_exists(file: str, name: str) -> None:
    assert re.search(rf"^\s*def {name}\(", (ROOT / file).read_text(), re.MULTILINE)


@pytest.mark.django_db
def test_the_doctor_tells_where_the_database_does_not_keep_tenants_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = look_at_isolation(now())
    absent = examining_servers.MAY_BECOME.replace("licet_tenant", "licet_nobody_has_this")
    monkeypatch.setattr(examining_servers, "MAY_BECOME", absent)

    without = look_at_isolation(now())

    assert (whole.health, without.health) == (Health.OK, Health.WARNING)
    assert "by the application alone" in without.detail
    assert "CREATE ROLE licet_tenant" in without.remedy
