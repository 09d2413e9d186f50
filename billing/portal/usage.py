"""The usage page: what was spent on what, the period before as a ghost, and CSV of what is shown."""

import csv
from collections.abc import Iterator
from datetime import date, timedelta

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.timezone import now
from django.views.decorators.http import require_GET

from billing.kernel.statements import safe_cell
from billing.portal.downloads import Echo
from billing.queries.usage import GROUPS, Usage, usage_of
from governance.kernel.money import usd
from governance.models import Organization
from governance.portal.access import organization_page
from governance.portal.charts import Column, StackedChart, stacked_chart
from governance.queries.permissions import Permission

LONGEST = 366
DEFAULT_DAYS = 30
# The chart counts in the largest unit that leaves whole numbers people can read.
UNITS = (
    (usd(100), usd(1), "dollars"),
    (usd(1), usd(1) // 100, "cents"),
    (usd(1) // 100, usd(1) // 10_000, "hundredths of a cent"),
    (0, 1, "microdollars"),
)


def asked(request: HttpRequest, organization: Organization) -> Usage:
    """The period and group that the address names; nonsense falls back to the last 30 days."""
    today = now().date()
    until = day_of(request.GET.get("until", ""), today)
    since = day_of(request.GET.get("since", ""), until - timedelta(days=DEFAULT_DAYS - 1))
    if not 0 <= (until - since).days < LONGEST:
        since = until - timedelta(days=DEFAULT_DAYS - 1)
    by = request.GET.get("by", "project")
    return usage_of(organization.id, since=since, until=until, by=by if by in GROUPS else "project")


def day_of(text: str, otherwise: date) -> date:
    """A day as the browser's date field writes it."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return otherwise


@require_GET
@organization_page(Permission.VIEW_BILLING)
def usage_page(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Chart and table from the same figures."""
    usage = asked(request, organization)
    chart, unit = chart_of(usage)
    return render(
        request,
        "billing/usage.html",
        {
            "usage": usage,
            "chart": chart,
            "unit": unit,
            "groups": list(GROUPS),
            "query": request.GET.urlencode(),
            "images": sum(line.images for line in usage.lines),
            "jobs": sum(line.jobs for line in usage.lines),
            "charged_before": sum(line.charged_before for line in usage.lines),
        },
    )


def chart_of(usage: Usage) -> tuple[StackedChart, str]:
    """The stacked columns and the unit they count in."""
    highest = max((max(sum(values), ghost) for _, values, ghost in usage.days), default=0)
    divisor, unit = next((each, name) for least, each, name in UNITS if highest >= least)
    columns = [
        Column(f"{day:%-d %b}", tuple(value // divisor for value in values), ghost // divisor)
        for day, values, ghost in usage.days
    ]
    return stacked_chart(columns, usage.series), unit


@require_GET
@organization_page(Permission.EXPORT)
def usage_csv(request: HttpRequest, organization: Organization) -> StreamingHttpResponse:
    """The table as CSV; µUSD."""
    usage = asked(request, organization)
    name = f"{organization.slug}-usage-{usage.since}-{usage.until}.csv"
    return StreamingHttpResponse(
        usage_lines(usage),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def usage_lines(usage: Usage) -> Iterator[str]:
    """Header and rows."""
    writer = csv.writer(Echo())
    yield writer.writerow(
        [usage.by, "jobs", "images", "charged_microusd", "period_before_microusd"]
    )
    for line in usage.lines:
        yield writer.writerow(
            [safe_cell(line.label), line.jobs, line.images, line.charged, line.charged_before]
        )
