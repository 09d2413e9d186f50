"""The list of generations, one generation, its pictures."""

import csv
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render

from billing.queries.ledger import lines_of_job
from governance.kernel.errors import DomainError, NotFound
from governance.models import Organization
from governance.portal.access import actor_of_person, organization_page, permissions_on
from governance.queries.permissions import Permission
from inference.models import State
from inference.operations.storage import read_image
from inference.operations.unmasking import JustificationMissing, unmask_prompt
from inference.portal.code import as_curl, as_python
from inference.portal.masking import MASKED, masked_detail, masked_rows
from inference.portal.timeline import timeline
from inference.queries.generations import (
    GenerationDetail,
    GenerationSummary,
    artifact_of,
    generation_of,
    generations_of,
)

CSV_ROWS = 1_000
COLUMNS = (
    "id", "created_at", "state", "model", "width", "height", "steps", "seed", "images", "key_label",
    "project", "quoted_microusd", "charged_microusd", "error_code", "prompt",
)  # fmt: skip


def filters_of(request: HttpRequest) -> dict[str, Any]:
    """What the address asks to be shown."""
    state = request.GET.get("state", "")
    return {
        "state": state if state in State.values else None,
        "search": request.GET.get("q", "").strip()[:200] or None,
        "cursor": request.GET.get("after") or None,
    }


@organization_page()
def generation_list(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Pictures, newest first."""
    try:
        page = generations_of(organization.id, **filters_of(request))
        page = replace(page, rows=masked_rows(request, page.rows))
    except NotFound as error:
        raise Http404(error.detail) from error
    return render(
        request,
        "inference/generation_list.html",
        {
            "page": page,
            "states": State.choices,
            "chosen": filters_of(request),
            "may_see": Permission.VIEW_IMAGES in permissions_on(request),
            "may_export": Permission.EXPORT in permissions_on(request),
        },
    )


@organization_page(Permission.EXPORT)
def generation_csv(request: HttpRequest, organization: Organization) -> StreamingHttpResponse:
    """The same rows as the list, as CSV, up to a thousand."""
    page = generations_of(organization.id, **filters_of(request), limit=CSV_ROWS)
    return StreamingHttpResponse(
        csv_lines(masked_rows(request, page.rows)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{organization.slug}.csv"'},
    )


class Echo:
    """A file that returns what is written to it."""

    def write(self, line: str) -> str:
        """The line itself."""
        return line


def csv_lines(rows: tuple[GenerationSummary, ...]) -> Iterator[str]:
    """Header and rows; a cell that a spreadsheet would run as a formula is quoted first."""
    writer = csv.writer(Echo())
    yield writer.writerow(COLUMNS)
    for row in rows:
        yield writer.writerow([safe_cell(getattr(row, column)) for column in COLUMNS])


def safe_cell(value: object) -> object:
    """``value``, or with an apostrophe before it where it begins like a formula."""
    text = str(value)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


@organization_page()
def generation_page(
    request: HttpRequest, organization: Organization, generation_id: UUID
) -> HttpResponse:
    """One generation's timeline, cost, gate scores and frozen versions."""
    try:
        detail = shown_detail(request, organization, generation_id)
    except NotFound as error:
        raise Http404(error.detail) from error
    return render(
        request,
        "inference/generation.html",
        {
            "detail": detail,
            "generation": detail.summary,
            "steps": timeline(detail),
            "ledger": lines_of_job(detail.summary.id),
            "curl": as_curl(detail),
            "python": as_python(detail),
            "may_see": Permission.VIEW_IMAGES in permissions_on(request),
            "masked": detail.summary.prompt == MASKED,
            "took": (
                (detail.summary.finished_at - detail.summary.created_at).total_seconds()
                if detail.summary.finished_at
                else None
            ),
        },
    )


def shown_detail(
    request: HttpRequest, organization: Organization, generation_id: UUID
) -> GenerationDetail:
    """The generation, its prompt masked unless the reader may see it or has just said why."""
    detail = generation_of(organization.id, generation_id)
    if request.method == "POST":
        try:
            return unmask_prompt(
                organization_id=organization.id,
                generation_id=generation_id,
                justification=request.POST.get("justification", ""),
                actor=actor_of_person(request),
            )
        except JustificationMissing as missing:
            messages.error(request, missing.detail)
    return masked_detail(request, detail)


@organization_page(Permission.VIEW_IMAGES)
def generation_image(
    request: HttpRequest,  # noqa: ARG001 (a view's signature)
    organization: Organization,
    generation_id: UUID,
    index: int,
) -> HttpResponse:
    """A released image for who may see it, checked against its receipt."""
    try:
        artifact = artifact_of(organization.id, generation_id, index)
        data = read_image(artifact)
    except DomainError as error:
        raise Http404(error.detail) from error
    return HttpResponse(
        data,
        content_type=artifact.media_type,
        headers={"Cache-Control": "private, max-age=86400", "ETag": f'"{artifact.sha256}"'},
    )
