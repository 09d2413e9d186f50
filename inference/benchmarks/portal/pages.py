"""Which pages there are, from the resolver itself, and with what their blanks are filled."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.urls import URLPattern, URLResolver, get_resolver

from governance.models import (
    ApiKey,
    Attestation,
    Organization,
    OutgoingMail,
    TermsVersion,
    User,
    WebhookEndpoint,
)
from inference.models import Generation

BLANK = re.compile(r"<(?:[a-z]+:)?([a-z_]+)>")
LARGEST = "bench-0"
ROLES = ("operator", "owner", "admin", "member", "auditor")


@dataclass(frozen=True)
class Page:
    """One address of the resolver; ``address`` is None where nothing fills its blanks."""

    name: str
    address: str | None


def portal_pages() -> list[Page]:
    """Every address of the portal, the new ones too."""
    found: dict[str, Page] = {}

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> None:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, route)
            elif ".portal." in pattern.callback.__module__:
                name = str(pattern.name or route)
                found[route] = Page(name, filled(route, name))

    walk(get_resolver().url_patterns, "")
    return list(found.values())


def filled(route: str, name: str) -> str | None:
    """The address with its blanks filled, or None."""
    if "format_suffix" in route or "^" in route:
        return None
    values = {blank: value_of(blank, name) for blank in BLANK.findall(route)}
    if None in values.values():
        return None
    return "/" + BLANK.sub(lambda found: str(values[found[1]]), route)


def value_of(blank: str, name: str) -> Any:
    """What fills one blank, from the organization with the most jobs; None where there is nothing."""
    home = Organization.objects.get(slug=LARGEST)
    jobs = Generation.objects.filter(organization=home)
    own: dict[str, Callable[[], Any]] = {
        "slug": lambda: home.slug,
        "key_id": lambda: first(ApiKey.objects.filter(organization=home)),
        "generation_id": lambda: first(jobs.filter(state="succeeded").order_by("-id")),
        "job_id": lambda: first(jobs.filter(state="succeeded").order_by("-id")),
        "decision_id": lambda: cell("moderation_decision", "id", "outcome = 'block'", home),
        "case_id": lambda: cell("moderation_review_case", "id", "state = 'open'", home),
        "endpoint_id": lambda: first(WebhookEndpoint.objects.filter(organization=home)),
        "mail_id": lambda: first(OutgoingMail.objects.all()),
        "version_id": lambda: cell("billing_price_version", "id", "true", None),
        "policy_hash": lambda: cell("moderation_policy", "hash", "true", None),
        "label": lambda: TermsVersion.objects.values_list("label", flat=True).first(),
        "index": lambda: 0,
        "id": lambda: of_licence(name, home),
    }
    return own[blank]() if blank in own else None


def of_licence(name: str, home: Organization) -> Any:
    """The licence pages call every blank ``id``."""
    if name.startswith("member"):
        return first(
            User.objects.filter(memberships__organization=home, memberships__role="member")
        )
    if name.startswith("attestation"):
        return first(Attestation.objects.filter(organization=home))
    return None


def first(rows: Any) -> Any:
    """The id of the first row."""
    row: Model | None = rows.first()
    return row.pk if row is not None else None


def cell(table: str, column: str, condition: str, home: Organization | None) -> Any:
    """One value of another app's table, which a benchmark may read and a page may not."""
    from django.db import connection

    of_home = f" AND organization_id = '{home.id}'" if home else ""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table} WHERE {condition}{of_home} LIMIT 1")
        row = cursor.fetchone()
    return row[0] if row else None
