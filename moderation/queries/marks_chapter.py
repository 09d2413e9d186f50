"""The compliance report's chapter on the marks of released images, and on the waivers of them."""

from django.db.models import Q

from governance.kernel.report_parts import Check, ReportScope, ReportSection, Table
from moderation.models import ProvenanceWaiver, ReleasedMark
from moderation.queries.provenance import Coverage, provenance_coverage


def marks_chapter(scope: ReportScope) -> list[ReportSection]:
    """How well the marks hold and how little they show; each waiver with its reason and its images."""
    coverage = provenance_coverage(
        begins=scope.starts_at, ends=scope.ends_at, organization_id=scope.organization_id
    )
    return [
        ReportSection(
            name="marks",
            title="Marks in detail, and waivers",
            order=71,
            sentence=_sentence(coverage),
            facts=(
                ("Images released", f"{coverage.released:,}"),
                ("With watermark and credentials, read back", f"{coverage.marked:,}"),
                ("Under a waiver of two people", f"{coverage.waived:,}"),
                ("Marks tested against common changes", f"{coverage.robust:,}"),
                ("Mean PSNR of the watermark", f"{coverage.mean_psnr_db:.1f} dB"),
            ),
            tables=(_waivers(scope),),
            checks=(_check(scope, coverage),),
        )
    ]


def _sentence(coverage: Coverage) -> str:
    if not coverage.released:
        return "No image was released in this period."
    unmarked = coverage.released - coverage.marked
    return (
        f"{coverage.marked:,} of {coverage.released:,} released images carry content credentials and a "
        f"watermark that were read back from their final bytes; {unmarked:,} left under a waiver."
    )


def _check(scope: ReportScope, coverage: Coverage) -> Check:
    """The log's released images beside the registry's."""
    logged = int(scope.figures["images"]["screened"])
    return Check(
        "Released images and the registry of marks",
        logged,
        coverage.released,
        abs(logged - coverage.released),
    )


def _waivers(scope: ReportScope) -> Table:
    """Waivers approved before the end of the period that still held in it. Nobody is named."""
    found = ProvenanceWaiver.objects.filter(
        approved=True, answered_at__lt=scope.ends_at, ends_at__gt=scope.starts_at
    ).filter(Q(ended_at=None) | Q(ended_at__gt=scope.starts_at))
    if scope.organization_id is not None:
        found = found.filter(
            Q(organization_id=scope.organization_id) | Q(organization_id__isnull=True)
        )
    rows = tuple(
        (
            "one organization" if each.organization_id else "everybody",
            each.reason,
            f"{each.answered_at:%Y-%m-%d}",
            f"{min(each.ends_at, scope.ends_at):%Y-%m-%d}",
            f"{_images(each, scope):,}",
        )
        for each in found.order_by("proposed_at")
    )
    return Table("Waivers", ("For", "Reason", "Approved", "Until", "Images"), rows)


def _images(waiver: ProvenanceWaiver, scope: ReportScope) -> int:
    images = ReleasedMark.objects.filter(
        waiver=waiver, at__gte=scope.starts_at, at__lt=scope.ends_at
    )
    if scope.organization_id is not None:
        images = images.filter(organization_id=scope.organization_id)
    return images.count()
