"""What people said of the gate's decisions: an appeal and a report."""

from datetime import datetime

from governance.kernel.actors import SYSTEM
from governance.models import AuditEntry, Organization
from inference.models import Artifact, Generation, State
from inference.operations.history.jobs import MARK
from moderation.operations.appeals import AppealClosed, file_appeal, report_image


def appeal_and_report(organization: Organization, *, at: datetime) -> None:
    """One refused prompt is appealed, one delivered image is reported; once each."""
    blocked = Generation.objects.filter(organization=organization, state=State.BLOCKED)
    for job in blocked.filter(request_id__startswith=MARK).order_by("-created_at"):
        try:
            file_appeal(
                decision_id=job.error_facts["decision_id"], organization_id=organization.id,
                statement="It was meant for a poster about safety. Please look again.",
                actor=SYSTEM, at=at,
            )  # fmt: skip
        except AppealClosed:
            continue
        break
    image = (
        Artifact.objects.filter(organization_id=organization.id, deleted_at=None)
        .filter(generation__request_id__startswith=MARK)
        .order_by("-created_at")
        .first()
    )
    reported = AuditEntry.objects.filter(organization_id=organization.id, act="image.reported")
    if image is not None and not reported.exists():
        report_image(
            job_id=image.generation_id, index=image.index, sha256=image.sha256,
            organization_id=organization.id, item="8", statement="This looks like our logo.",
            contact="", actor=SYSTEM, at=at,
        )  # fmt: skip
