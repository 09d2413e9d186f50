"""The terms in force at a moment, and one version by its id."""

from datetime import datetime

from governance.kernel.errors import Unavailable
from governance.licensing.terms import Terms, rules_from
from governance.models import TermsVersion


def terms_in_force(at: datetime) -> TermsVersion:
    """The newest version that is effective at ``at``. Raises Unavailable where there is none."""
    version = (
        TermsVersion.objects.filter(effective_from__lte=at)
        .select_related("licence", "policy", "notice")
        .order_by("-effective_from", "-created_at")
        .first()
    )
    if version is None:
        raise Unavailable("No terms are on record. Run `python manage.py migrate`.")
    return version


def newest_terms() -> TermsVersion:
    """The version that a new one follows: the last to take effect, announced ones included."""
    return TermsVersion.objects.select_related("licence", "policy", "notice").latest(
        "effective_from", "created_at"
    )


def next_terms_at(at: datetime) -> datetime | None:
    """When the next version takes effect, or None."""
    return (
        TermsVersion.objects.filter(effective_from__gt=at)
        .order_by("effective_from")
        .values_list("effective_from", flat=True)
        .first()
    )


def as_terms(version: TermsVersion) -> Terms:
    """``version`` as the decision reads it."""
    return Terms(
        id=str(version.id),
        label=version.label,
        sha256=version.sha256,
        rules=rules_from(version.rules),
    )
