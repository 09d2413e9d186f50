"""The audit log for people: filters in the address, pages, CSV of the same entries."""

import csv
import io
import json
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.dateparse import parse_date

from governance.kernel.errors import NotFound
from governance.models import AuditEntry, Organization
from governance.operations.audit_verification import verify_log
from governance.portal.access import organization_page, permissions_on
from governance.queries.audit import AuditFilter, AuditPage, audit_page
from governance.queries.audit_tree import latest_checkpoint, leaf_numbers
from governance.queries.permissions import Permission

CSV_ROWS = 10_000
# The quick verification counts every leaf; a page need not do so at each view.
MARK_SECONDS = 300
COLUMNS = (
    "at", "act", "actor_kind", "actor_id", "actor_label", "ip", "subject_kind", "subject_id",
    "request_id", "facts", "id",
)  # fmt: skip
# Acts by their beginning, for the filter.
KINDS = [
    ("generation.", "Generations"), ("api_key.", "API keys"), ("person.", "People"),
    ("member.", "Members"), ("seat.", "Seats"), ("standing.", "Licence standing"),
    ("attestation.", "Attestations"), ("terms.", "Terms"), ("credit.", "Money"),
]  # fmt: skip


@organization_page(Permission.VIEW_AUDIT)
def of_organization(request: HttpRequest, organization: Organization) -> HttpResponse:
    """The log of one organization."""
    exports = Permission.EXPORT in permissions_on(request)
    return log_page(request, organization.id, csv_address="../audit.csv" if exports else "")


@organization_page(Permission.EXPORT)
def of_organization_csv(request: HttpRequest, organization: Organization) -> HttpResponse:
    """The filtered entries of one organization as CSV."""
    return as_csv(request, organization.id, f"{organization.slug}-audit")


@login_required
def everywhere(request: HttpRequest) -> HttpResponse:
    """The log of the whole installation, for the operator's people."""
    if not request.user.is_staff:
        raise Http404
    return log_page(request, None, csv_address="../audit.csv")


@login_required
def everywhere_csv(request: HttpRequest) -> HttpResponse:
    """The filtered entries of the whole installation as CSV."""
    if not request.user.is_staff:
        raise Http404
    return as_csv(request, None, "audit")


def log_page(request: HttpRequest, organization_id: UUID | None, csv_address: str) -> HttpResponse:
    """A page of entries with its filters."""
    page = entries(request, organization_id, limit=50)
    context: dict[str, Any] = {
        "page": page,
        "leaves": leaf_numbers([entry.id for entry in page.rows]),
        "mark": chain_mark(),
        "kinds": KINDS,
        "chosen": {name: request.GET.get(name, "") for name in ("act", "by", "since", "until")},
        "cursor": request.GET.get("after", ""),
        "csv_address": csv_address,
    }
    return render(request, "governance/audit.html", context)


def chain_mark() -> dict[str, Any]:
    """Whether the log held when it was last checked, at most five minutes ago, and the last signature."""
    found: dict[str, Any] | None = cache.get("audit-mark")
    if found is None:
        checked = verify_log()
        last = latest_checkpoint()
        found = {
            "holds": checked.holds,
            "findings": checked.findings[:5],
            "size": checked.size,
            "signed": last.size if last else 0,
            "signed_at": last.at if last else None,
        }
        cache.set("audit-mark", found, MARK_SECONDS)
    return found


def entries(request: HttpRequest, organization_id: UUID | None, limit: int) -> AuditPage:
    """What the address asks for. A cursor that is none is a 404."""
    asked = request.GET
    wanted = AuditFilter(
        act=asked.get("act", "")[:64],
        actor=asked.get("by", "").strip()[:200],
        subject=asked.get("subject", "")[:64],
        since=start_of(asked.get("since", "")),
        until=start_of(asked.get("until", ""), later=1),
    )
    try:
        return audit_page(organization_id, wanted, cursor=asked.get("after"), limit=limit)
    except NotFound as error:
        raise Http404(error.detail) from error


def start_of(text: str, *, later: int = 0) -> datetime | None:
    """Midnight UTC of a day written as 2026-11-23, ``later`` days on; None where it is no day."""
    try:
        day = parse_date(text)
    except ValueError:
        return None
    return datetime.combine(day + timedelta(days=later), time(), UTC) if day else None


def as_csv(request: HttpRequest, organization_id: UUID | None, name: str) -> HttpResponse:
    """The entries as CSV, from the page's place on, at most ten thousand."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for entry in entries(request, organization_id, limit=CSV_ROWS).rows:
        writer.writerow([cell(entry, column) for column in COLUMNS])
    return HttpResponse(
        out.getvalue(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def cell(entry: AuditEntry, column: str) -> str:
    """A cell; one that a spreadsheet would run as a formula begins with an apostrophe."""
    value = getattr(entry, column)
    if column == "facts":
        text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    else:
        text = value.isoformat() if isinstance(value, datetime) else str(value or "")
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
