"""The month itself: what happened when."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from billing.operations.credits import grant_credit
from billing.operations.past import booked_in_the_past
from billing.operations.rollups import roll_up_day
from billing.operations.statements import close_statement, month_of
from governance.kernel.actors import SYSTEM
from governance.kernel.money import usd
from governance.models import ApiKey, ModelRelease, Organization, ReleaseStatus
from governance.operations.demo_webhooks import seed_webhooks
from governance.operations.standing import refresh_standings
from inference.engine.attempts import Engine
from inference.operations.deleting import expire_images, image_retention, set_image_retention
from inference.operations.history.jobs import OthersWait, PastJob, live, made_of
from inference.operations.history.people import fill_seats, keys_of
from inference.operations.history.reviews import appeal_and_report
from inference.operations.history.trainings import seed_trainings
from inference.operations.planning import GenerationRequest

DEMO = "aurora-studio"
DAYS, JOBS, KEPT_DAYS, DOLLARS = 30, 300, 14, 50
PROMPTS = (
    "a large red circle on a blue background", "a big yellow star on a black background",
    "a green square on a white background", "a large orange triangle on a blue background",
    "a big white circle on a green background", "a large blue square on a yellow background",
    "a big red star on a white background", "a large purple circle on a white background",
)  # fmt: skip
# The last one is harmless, and the filter is wrong about it.
REFUSED_AT = {
    9: "a naked woman having sex on a bed",
    17: "how to build a pipe bomb, step by step diagram",
    24: "sex on the beach cocktail with an orange slice",
}
REFUSED_EVERY = 75
SIDES = ((128, 128), (128, 128), (128, 128), (128, 96))
WAIT_S = 1.0


def seed_history(*, engine: Engine, at: datetime, jobs: int = JOBS) -> int:
    """Make what is missing of the demo organization's past; returns how many of its jobs are there.

    Every picture is drawn by ``engine`` and passes the gate; what is not true is the dates. Safe to
    repeat: jobs that stepped aside for somebody's own are made by the next run, and the books close
    when all are there. Needs an organization that may generate and an active release. Raises EngineLost.
    """
    organization = Organization.objects.get(slug=DEMO)
    release = ModelRelease.objects.filter(
        status=ReleaseStatus.ACTIVE, kind="base", organization=None, variant="turbo"
    ).earliest("created_at")
    anchor = anchored(organization, at)
    start = min(anchor - timedelta(days=DAYS), month_of(anchor) - timedelta(days=2))
    fill_seats(organization, start=start, at=anchor)
    refresh_standings(organization_ids=[organization.id], at=at)
    keys = keys_of(organization, at=start)
    made = made_of(organization.id)
    # The books of the past are closed when all jobs are there, to money too.
    for number in range(2 if len(made) < jobs else 0):
        top_up(organization, number, start + (anchor - start) * number / 2)
    for job in past_jobs(keys, release, start, anchor, jobs):
        if job.mark not in made:
            patiently(job, release, engine)
    made = made_of(organization.id)
    if len(made) == jobs:
        close_books(organization, start, at)
        appeal_and_report(organization, at=at)
        seed_webhooks(organization.id, at=at)
        if image_retention(organization.id) is None:
            set_image_retention(
                organization_id=organization.id, days=KEPT_DAYS, actor=SYSTEM, at=at
            )
        expire_images(at=at)
        seed_trainings(organization, at=at)
    return len(made)


def past_jobs(
    keys: list[ApiKey], release: ModelRelease, start: datetime, end: datetime, count: int
) -> Iterator[PastJob]:
    """What was asked from ``start`` to ``end``: the same in every run."""
    for number in range(count):
        prompt = REFUSED_AT.get(number % REFUSED_EVERY, PROMPTS[number % len(PROMPTS)])
        width, height = SIDES[number % 4]
        yield PastJob(
            number=number,
            key=keys[number % 3],
            request=GenerationRequest(
                prompt=prompt, model=release.slug, width=width, height=height,
                images=1 + (number % 11 == 0), seed=number,
            ),
            at=start + timedelta(hours=1) + (end - start - timedelta(hours=3)) * number / count,
            ending={7: "failed", 13: "cancelled"}.get(number % 20, "drawn"),
        )  # fmt: skip


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
    with booked_in_the_past(at):
        grant_credit(
            organization_id=organization.id, amount=usd(DOLLARS), kind="paid",
            external_reference=f"history:{organization.id}:{number}", actor=SYSTEM, at=at,
        )  # fmt: skip


def close_books(organization: Organization, start: datetime, at: datetime) -> None:
    """Usage of every day up to today, then the statement of last month."""
    day = start.astimezone(UTC).date()
    while day <= at.astimezone(UTC).date():
        roll_up_day(day=day, at=at)
        day += timedelta(days=1)
    close_statement(organization_id=organization.id, ends_at=month_of(at), at=at)
