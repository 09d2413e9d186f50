"""The month itself: what happened when."""

import logging
import time
from datetime import UTC, datetime, timedelta

from billing.operations.credits import grant_credit
from billing.operations.past import booked_in_the_past, is_booked
from billing.operations.rollups import roll_up_day
from billing.operations.statements import close_statement, month_of
from governance.kernel.actors import SYSTEM
from governance.kernel.money import usd
from governance.models import ModelRelease, Organization, ReleaseStatus
from governance.operations.standing import refresh_standings
from inference.engine.client import Engine
from inference.models import Artifact
from inference.operations.deleting import expire_images, image_retention, set_image_retention
from inference.operations.history.jobs import OthersWait, PastJob, live
from inference.operations.history.people import fill_seats, keys_of
from inference.operations.history.reviews import appeal_and_report
from inference.operations.planning import GenerationRequest

logger = logging.getLogger(__name__)
DAYS, JOBS, KEPT_DAYS, DOLLARS = 30, 300, 14, 50
PROMPTS = (
    "a large red circle on a blue background", "a big yellow star on a black background",
    "a green square on a white background", "a large orange triangle on a blue background",
    "a big white circle on a green background", "a large blue square on a yellow background",
    "a big red star on a white background", "a large purple circle on a white background",
)  # fmt: skip
REFUSED = ("a naked woman having sex on a bed", "how to build a pipe bomb, step by step diagram")
SIDES = ((128, 128), (128, 128), (128, 128), (128, 96))
WAIT_S = 1.0


def seed_history(
    *, engine: Engine, at: datetime, slug: str = "aurora-studio", jobs: int = JOBS
) -> int:
    """Make what is missing of the past of the organization ``slug``; returns how many jobs it has.

    Every picture is drawn by ``engine`` and passes the gate; what is not true is the dates. Safe to repeat.
    Needs an organization that may generate and an active release.
    """
    organization = Organization.objects.get(slug=slug)
    release = ModelRelease.objects.filter(
        status=ReleaseStatus.ACTIVE, kind="base", organization=None, variant="turbo"
    ).earliest("created_at")
    anchor = anchored(organization, at)
    start = min(anchor - timedelta(days=DAYS), month_of(anchor) - timedelta(days=2))
    fill_seats(organization, start=start, at=anchor)
    refresh_standings(organization_ids=[organization.id], at=at)
    keys = keys_of(organization, at=start)
    for number in range(2):
        top_up(organization, number, start + (anchor - start) * number / 2)
    for number in range(jobs):
        began = start + timedelta(hours=1) + (anchor - start - timedelta(hours=3)) * number / jobs
        request = GenerationRequest(
            prompt=REFUSED[number // 25 % 2] if number % 25 == 9 else PROMPTS[number % 8],  # noqa: PLR2004
            model=release.slug, width=SIDES[number % 4][0], height=SIDES[number % 4][1],
            images=1 + (number % 11 == 0), seed=number,
        )  # fmt: skip
        ending = {7: "failed", 13: "cancelled"}.get(number % 20, "drawn")
        patiently(
            PastJob(f"history-{number}", keys[number % 3], request, began, ending), release, engine
        )
    close_books(organization, start, at)
    appeal_and_report(organization, at=at)
    if image_retention(organization.id) is None:
        set_image_retention(organization_id=organization.id, days=KEPT_DAYS, actor=SYSTEM, at=at)
    expire_images(at=at)
    logger.info("history: %s images kept", Artifact.objects.filter(deleted_at=None).count())
    return jobs


def is_seeded(slug: str) -> bool:
    """Whether an earlier run came to its end: the retention is set last but one."""
    organization = Organization.objects.filter(slug=slug).first()
    return organization is not None and image_retention(organization.id) is not None


def anchored(organization: Organization, at: datetime) -> datetime:
    """The instant that the past leads up to: the same in every run, since it hangs on the keys."""
    first = organization.projects.filter(name="Campaign visuals").first()
    return first.created_at if first else at


def patiently(job: PastJob, release: ModelRelease, engine: Engine) -> None:
    """A visitor's own job goes first; after three tries this one is left to the next run."""
    for _ in range(3):
        try:
            return live(job, release, engine)
        except OthersWait:
            time.sleep(WAIT_S)
    return None


def top_up(organization: Organization, number: int, at: datetime) -> None:
    """Fifty dollars, once per ``number``."""
    reference = f"history:{organization.id}:{number}"
    if is_booked(reference):
        return
    with booked_in_the_past(at):
        grant_credit(
            organization_id=organization.id, amount=usd(DOLLARS), kind="paid",
            external_reference=reference, actor=SYSTEM, at=at,
        )  # fmt: skip


def close_books(organization: Organization, start: datetime, at: datetime) -> None:
    """Usage of every day up to today, then the statement of last month."""
    day = start.astimezone(UTC).date()
    while day <= at.astimezone(UTC).date():
        roll_up_day(day=day, at=at)
        day += timedelta(days=1)
    close_statement(organization_id=organization.id, ends_at=month_of(at), at=at)
