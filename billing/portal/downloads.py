"""What is on the billing page, to take away: the ledger and the statements."""

import csv
from collections.abc import Iterator

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET

from billing.kernel.statements import as_csv, safe_cell
from billing.models import Statement
from billing.queries.journal import LedgerPage, ledger_of
from billing.reports import statement_pdf
from governance.models import Organization
from governance.portal.access import organization_page
from governance.queries.permissions import Permission


class Echo:
    """A file that returns what is written to it."""

    def write(self, line: str) -> str:
        """The line itself."""
        return line


@require_GET
@organization_page(Permission.EXPORT)
def ledger_csv(request: HttpRequest, organization: Organization) -> StreamingHttpResponse:
    """The page of the ledger that is shown, as CSV; µUSD."""
    page = ledger_of(organization.id, cursor=request.GET.get("after"))
    return StreamingHttpResponse(
        ledger_lines(page),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{organization.slug}-ledger.csv"'},
    )


def ledger_lines(page: LedgerPage) -> Iterator[str]:
    """Header and rows."""
    writer = csv.writer(Echo())
    yield writer.writerow(
        ["at", "kind", "amount_microusd", "balance_microusd", "generation", "reference"]
    )
    for line in page.lines:
        yield writer.writerow(
            [
                line.at.isoformat(),
                line.kind,
                line.amount,
                line.balance,
                line.job_id,
                safe_cell(line.reference),
            ]
        )


@require_GET
@organization_page(Permission.EXPORT)
def statement(
    _request: HttpRequest, organization: Organization, number: int, form: str
) -> HttpResponse:
    """One closed month as json, csv or pdf; the JSON holds both hashes, so the chain can be checked."""
    found = Statement.objects.filter(organization_id=organization.id, number=number).first()
    if found is None or form not in {"json", "csv", "pdf"}:
        raise Http404
    name = f"{organization.slug}-statement-{number}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    if form == "pdf":
        return HttpResponse(statement_pdf(found), content_type="application/pdf", headers=headers)
    if form == "csv":
        return HttpResponse(as_csv(found.body), content_type="text/csv", headers=headers)
    content = {
        "body": found.body,
        "previous_sha256": found.previous_sha256,
        "sha256": found.sha256,
        "closed_at": found.closed_at,
    }
    return JsonResponse(content, headers=headers)
