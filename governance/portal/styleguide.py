"""Every component of the portal on one page, for the operator's people."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from governance.portal.charts import Column, limit_chart, stacked_chart
from governance.portal.icons import ICONS
from governance.templatetags.licet import STANDINGS, STATES


@login_required
def styleguide(request: HttpRequest) -> HttpResponse:
    """The gallery. It shows invented figures and touches no data."""
    if not request.user.is_staff:
        raise Http404
    days = [f"{day} Nov" for day in range(1, 15)]
    seats = [31, 31, 33, 34, 34, 36, 38, 41, 41, 42, 44, 45, 46, 47]
    columns = [Column(day, (12 + 3 * n % 17, n % 5 + 1, n % 3)) for n, day in enumerate(days)]
    return render(
        request,
        "governance/styleguide.html",
        {
            "icons": sorted(ICONS),
            "states": STATES,
            "standings": STANDINGS,
            "seats_chart": limit_chart(list(zip(days, seats, strict=True)), limit=50),
            "usage_chart": stacked_chart(columns, ("Delivered", "Blocked", "Failed")),
            "code": "curl -sS http://127.0.0.1:8000/v1/models",
        },
    )
