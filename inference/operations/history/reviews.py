"""What people said of the gate's decisions, and what the reviewers answered."""

from datetime import datetime

from governance.kernel.actors import Actor
from governance.models import Organization
from governance.operations.demo import OPERATOR, person
from inference.models import Artifact, Generation, State
from inference.operations.history.jobs import MARK
from moderation.operations.demo_reviews import (
    REPORTS,
    Contested,
    Finding,
    Image,
    appoint_demo_reviewers,
    seed_appeals,
    seed_reports,
)

SECOND_REVIEWER = ("rita@licet.example", "Rita Solberg")
# By the number of the refused job: month.REFUSED_AT says what was asked.
APPEALS = {
    17: ("It is a diagram for a safety course.", Finding.UPHOLD,
         "The instructions are the harm, whatever the course."),
    24: ("It is the name of a cocktail.", Finding.OVERTURN,
         "The words name a drink. The filter was wrong."),
    9: ("It was meant for a poster about safety. Please look again.", None, ""),
}  # fmt: skip


def appeal_and_report(organization: Organization, *, at: datetime) -> None:
    """An appeal in each state; two images are reported, one of them with the 48-hour clock. Once each."""
    operator = person(*OPERATOR)
    second = person(*SECOND_REVIEWER, is_staff=True)
    appoint_demo_reviewers(operator_id=operator.id, second_id=second.id)
    reviewer = Actor("user", str(second.id), label=second.email)
    seed_appeals(contested(organization), organization_id=organization.id, reviewer=reviewer, at=at)
    delivered = (
        Artifact.objects.filter(organization_id=organization.id, deleted_at=None)
        .filter(generation__request_id__startswith=MARK)
        .order_by("-created_at")[: len(REPORTS)]
    )
    images = [Image(image.generation_id, image.index, image.sha256) for image in delivered]
    seed_reports(images, organization_id=organization.id, at=at)


def contested(organization: Organization) -> list[Contested]:
    """The refusals that somebody appeals, the open appeal last."""
    refused = Generation.objects.filter(organization=organization, state=State.BLOCKED)
    found = {job.request_id: job for job in refused.filter(request_id__startswith=MARK)}
    return [
        Contested(found[mark].error_facts["decision_id"], statement, finding, reason)
        for number, (statement, finding, reason) in APPEALS.items()
        if (mark := f"{MARK}{number}") in found
    ]
