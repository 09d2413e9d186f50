"""Reports of images from people without an account: found, put before a person, with a clock of 48 hours.

A picture that is sent along is looked at in memory, in the sandbox, to find out which image it shows, and
is forgotten; what is kept is the image's place, the words, and a way to answer.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import DomainError
from moderation.models import Concern, PublicReport, ReleasedMark, UserReport
from moderation.operations.appeals import LONGEST_STATEMENT, report_image
from moderation.operations.removals import namers, request_removal
from moderation.operations.verification import released_image
from moderation.queries.policies import active_bundle
from moderation.queries.released_images import image_by_name, image_of_generation

# No letter that is read as a digit, no U that makes words.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
GROUPS, GROUP = 4, 5
CONTACT_KEPT = timedelta(days=183)
BATCH = 500


class ReportIncomplete(DomainError):
    """Something that the report needs is missing; ``param`` names the field."""

    code = "report_incomplete"
    title = "Something is missing"
    status = 400


class ImageNotKnown(DomainError):
    """No image of this service is meant, so nothing can be removed and nothing was kept."""

    code = "image_not_known"
    title = "This picture is not known here"
    status = 404


@dataclass(frozen=True)
class Words:
    """What a reporter wrote. ``name`` is an address or a number of the image, ``item`` of the policy."""

    item: str
    concern: str
    statement: str
    name: str = ""
    contact: str = ""


def check_words(words: Words) -> None:
    """Raises ReportIncomplete where a field is missing or wrong; needs no picture."""
    if words.item not in active_bundle().items:
        raise ReportIncomplete("Choose what is wrong with the picture.", param="item")
    if words.concern not in Concern.values:
        raise ReportIncomplete("Say what you have to do with the picture.", param="concern")
    if not words.statement.strip():
        raise ReportIncomplete("Say in your own words what is wrong.", param="statement")
    try:
        if words.contact:
            validate_email(words.contact)
    except ValidationError as wrong:
        raise ReportIncomplete("This is no e-mail address.", param="contact") from wrong


def meant_image(*, name: str, data: bytes) -> ReleasedMark:
    """The image of this service that a file shows or a name means. Fetches nothing, stores nothing.

    Raises ReportIncomplete (neither), ImageNotKnown, MediaUnusable and VerifierBusy.
    """
    if not (data or name.strip()):
        raise ReportIncomplete("Send the picture, or its address or number.", param="name")
    image = released_image(data) if data else None
    image = image or _named(name)
    if image is None:
        raise ImageNotKnown(
            "Neither its bytes nor its marks nor its look are those of an image made here. If you gave "
            "an address of another site, save the picture there and send the file. Nothing was kept."
        )
    return image


def _named(name: str) -> ReleasedMark | None:
    for namer in namers.all():
        if place := namer(name):
            return image_of_generation(*place)
    return image_by_name(name)


@transaction.atomic
def report_publicly(*, image: ReleasedMark, words: Words, actor: Actor, at: datetime) -> str:
    """Take the report: a case for a person, and 48 hours to act. The confirmation number, told once.

    Call ``check_words`` first. Not to be repeated: each call is a report of its own, though the clock of
    an image runs once. Raises NotFound when the gate never judged such an image.
    """
    report = report_image(
        job_id=image.job_id,
        index=image.index,
        sha256=image.sha256,
        organization_id=image.organization_id,
        item=words.item,
        statement=words.statement.strip()[:LONGEST_STATEMENT],
        contact="",
        actor=actor,
        at=at,
    )
    number = _new_number()
    PublicReport.objects.create(
        report=report,
        number_sha256=number_hash(number),
        concern=words.concern,
        contact=words.contact,
    )
    _start_clock(report, actor, at)
    return number


def _start_clock(report: UserReport, actor: Actor, at: datetime) -> None:
    request_removal(
        job_id=report.job_id,
        index=report.index,
        sha256=report.sha256,
        organization_id=report.organization_id,
        item=report.item,
        reason="Reported by somebody without an account.",
        report=report,
        actor=actor,
        at=at,
    )


def _new_number() -> str:
    """A hundred random bits in groups: nobody guesses one."""
    letters = [secrets.choice(ALPHABET) for _ in range(GROUPS * GROUP)]
    return "-".join("".join(letters[at : at + GROUP]) for at in range(0, GROUPS * GROUP, GROUP))


def number_hash(number: str) -> str:
    """The hash under which a confirmation number is kept; spaces, dashes and case do not matter."""
    plain = "".join(letter for letter in number.upper() if letter.isalnum())
    return sha256_hex(plain.translate(str.maketrans("OIL", "011")).encode())


def erase_contacts(*, at: datetime, limit: int = BATCH) -> int:
    """Forget how to reach reporters whose report is older than the time for appeals; how many."""
    old = PublicReport.objects.filter(report__at__lt=at - CONTACT_KEPT).exclude(contact="")
    ids = list(old.values_list("report_id", flat=True)[:limit])
    return PublicReport.objects.filter(report_id__in=ids).update(contact="")
