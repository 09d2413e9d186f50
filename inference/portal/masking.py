"""Prompts are masked for who may not see the organization's pictures, an auditor for instance."""

from dataclasses import replace

from django.http import HttpRequest

from governance.portal.access import permissions_on
from governance.queries.permissions import Permission
from inference.queries.generations import GenerationDetail, GenerationSummary

MASKED = "Prompt masked"


def sees_prompts(request: HttpRequest) -> bool:
    """Whether this reader is shown prompts without saying why."""
    return Permission.VIEW_IMAGES in permissions_on(request)


def masked(row: GenerationSummary) -> GenerationSummary:
    """The row without its words, those of its expansion among them."""
    return replace(row, prompt=MASKED, revised_prompt="")


def masked_rows(
    request: HttpRequest, rows: tuple[GenerationSummary, ...]
) -> tuple[GenerationSummary, ...]:
    """The rows as this reader may see them."""
    return rows if sees_prompts(request) else tuple(masked(row) for row in rows)


def masked_detail(request: HttpRequest, detail: GenerationDetail) -> GenerationDetail:
    """The generation as this reader may see it."""
    if sees_prompts(request):
        return detail
    return replace(detail, summary=masked(detail.summary))
