"""What bench-scale repeats works on a filled database, leaves nothing behind, and compares medians."""

from uuid import UUID

import pytest
from django.utils.timezone import now

from billing.queries.balances import balance_of
from governance.models import Organization
from inference.benchmarks import scale_reads
from inference.benchmarks.filling import Size, fill_tables
from inference.benchmarks.scale import row_of
from inference.models import Generation

pytestmark = pytest.mark.django_db
READS = (
    "list of generations", "list of generations, from the middle", "one generation", "balance",
    "usage of 30 days", "ledger", "audit log", "standing", "queue claim", "admission",
)  # fmt: skip


@pytest.fixture
def reads(
    funded: object,
    organization: Organization,
    releases: list[UUID],
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, scale_reads.Read]:
    funded(organization)  # type: ignore[operator]
    fill_tables(Size(5, 20, 400, audited_percent=100), until=now(), days=30)
    largest = Generation.objects.order_by("?").values_list("organization__slug", flat=True)
    monkeypatch.setattr(scale_reads, "LARGEST", organization.slug)
    assert organization.slug in set(largest)
    return scale_reads.main_reads()


def test_reads_find_rows_and_leave_none_behind(
    reads: dict[str, scale_reads.Read], organization: Organization
) -> None:
    before = (Generation.objects.count(), balance_of(organization.id))

    found = {name: read() for name, read in reads.items()}

    assert tuple(found) == READS
    assert found["list of generations"].rows  # type: ignore[attr-defined]
    assert found["audit log"].rows  # type: ignore[attr-defined]
    assert (Generation.objects.count(), balance_of(organization.id)) == before


def test_the_ratio_is_of_the_medians() -> None:
    def rounds(*wall: float) -> list[dict[str, float]]:
        return [{"ms": ms, "python_cpu_ms": 1.0, "postgres_cpu_ms": 2.0} for ms in wall]

    row = row_of(rounds(1.0, 2.0, 90.0), rounds(3.0, 3.0, 0.1))

    assert (row["small_ms"], row["large_ms"], row["ratio"]) == (2.0, 3.0, 1.5)
