"""Reading generations: for the API, the portal and the health page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from governance.kernel.errors import NotFound
from inference.models import OPEN_STATES, Artifact, Generation


@dataclass(frozen=True)
class ImageSummary:
    """One released image, without its bytes."""

    id: UUID
    index: int
    width: int
    height: int
    media_type: str
    size_bytes: int
    sha256: str
    deleted: bool


@dataclass(frozen=True)
class GenerationSummary:
    """One row of a list. Money in µUSD, sizes in px."""

    id: UUID
    state: str
    prompt: str
    model: str
    width: int
    height: int
    steps: int
    seed: int
    images: int
    dialect: str
    key_label: str
    member_email: str
    project: str
    quoted_microusd: int
    charged_microusd: int
    error_code: str
    error_detail: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    step: int
    # Each with id, sha256 and strength, as they led the job.
    style_references: tuple[dict[str, Any], ...] = ()
    # Empty where the prompt was not expanded, or not yet.
    revised_prompt: str = ""
    artifacts: tuple[ImageSummary, ...] = ()


@dataclass(frozen=True)
class GenerationDetail:
    """One generation with everything that was frozen for it."""

    summary: GenerationSummary
    organization_id: UUID
    request_id: str
    output_format: str
    guidance: float
    authorization: dict[str, Any]
    quote: dict[str, Any]
    hold_id: UUID | None
    attempts: int
    worker: str
    prompt_receipt: dict[str, Any]
    error_facts: dict[str, Any]
    receipts: tuple[dict[str, Any], ...] = field(default_factory=tuple)


@dataclass(frozen=True)
class Page:
    """A page of a list, newest first; ``next_cursor`` continues it, None at the end."""

    rows: tuple[GenerationSummary, ...]
    next_cursor: str | None


def generations_of(
    organization_id: UUID,
    *,
    cursor: str | None = None,
    limit: int = 24,
    state: str | None = None,
    search: str | None = None,
    project_id: UUID | None = None,
) -> Page:
    """An organization's generations, newest first, ``limit`` at a time. Two queries."""
    rows = Generation.objects.filter(organization_id=organization_id)
    if state:
        rows = rows.filter(state=state)
    if project_id:
        rows = rows.filter(project_id=project_id)
    if search:
        rows = rows.filter(prompt__icontains=search)
    if cursor:
        rows = rows.filter(id__lt=_cursor(cursor))
    found = list(_with_names(rows).order_by("-id")[: limit + 1])
    page = found[:limit]
    return Page(
        rows=tuple(summary_of(row) for row in page),
        next_cursor=str(page[-1].id) if len(found) > limit else None,
    )


def generation_of(organization_id: UUID, generation_id: UUID) -> GenerationDetail:
    """One generation of this organization. Raises NotFound, also for another tenant's."""
    row = (
        _with_names(Generation.objects.filter(organization_id=organization_id))
        .filter(id=generation_id)
        .first()
    )
    if row is None:
        raise NotFound("There is no such generation.")
    return GenerationDetail(
        summary=summary_of(row),
        organization_id=row.organization_id,
        request_id=row.request_id,
        output_format=row.output_format,
        guidance=row.guidance_milli / 1000,
        authorization=row.authorization,
        quote=row.quote,
        hold_id=row.hold_id,
        attempts=row.attempts,
        worker=row.worker,
        prompt_receipt=row.prompt_receipt,
        error_facts=row.error_facts,
        receipts=tuple(artifact.receipt for artifact in _artifacts(row)),
    )


def artifact_of(organization_id: UUID, generation_id: UUID, index: int) -> Artifact:
    """A stored image of this organization. Raises NotFound, also when it was deleted."""
    artifact = Artifact.objects.filter(
        organization_id=organization_id,
        generation_id=generation_id,
        index=index,
        deleted_at__isnull=True,
    ).first()
    if artifact is None:
        raise NotFound("There is no such image, or it was deleted.")
    return artifact


def artifact_by_id(organization_id: UUID, artifact_id: UUID) -> Artifact:
    """A stored image of this organization by its id, for signed addresses. Raises NotFound."""
    artifact = Artifact.objects.filter(
        id=artifact_id, organization_id=organization_id, deleted_at__isnull=True
    ).first()
    if artifact is None:
        raise NotFound("There is no such image, or it was deleted.")
    return artifact


def states_of(generation_ids: Sequence[UUID]) -> dict[UUID, tuple[str, bool]]:
    """State of each generation, and whether an image of it is stored."""
    with_images = set(
        Artifact.objects.filter(generation_id__in=generation_ids).values_list(
            "generation_id", flat=True
        )
    )
    rows = Generation.objects.filter(id__in=generation_ids).values_list("id", "state")
    return {row_id: (state, row_id in with_images) for row_id, state in rows}


def final_among(generation_ids: Sequence[UUID]) -> set[UUID]:
    """Those of ``generation_ids`` to which nothing more will happen."""
    open_or_gone = Q(state__in=OPEN_STATES)
    return set(
        Generation.objects.filter(id__in=generation_ids)
        .exclude(open_or_gone)
        .values_list("id", flat=True)
    )


def summary_of_new(row: Generation, *, model: str) -> GenerationSummary:
    """The summary of a row that was written a moment ago, without asking for it again; names of people
    and keys are left out."""
    return GenerationSummary(
        id=row.id,
        state=row.state,
        prompt=row.prompt,
        model=model,
        width=row.width,
        height=row.height,
        steps=row.steps,
        seed=row.seed,
        images=row.images,
        dialect=row.dialect,
        key_label="",
        member_email="",
        project="",
        quoted_microusd=row.quoted_microusd,
        charged_microusd=row.charged_microusd,
        error_code=row.error_code,
        error_detail=row.error_detail,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        step=row.step,
        style_references=styles_of(row),
        revised_prompt=row.revised_prompt,
    )


def summary_of(row: Generation) -> GenerationSummary:
    """The list row of ``row``, whose names and artifacts are already loaded."""
    return GenerationSummary(
        id=row.id,
        state=row.state,
        prompt=row.prompt,
        model=row.release.slug,
        width=row.width,
        height=row.height,
        steps=row.steps,
        seed=row.seed,
        images=row.images,
        dialect=row.dialect,
        key_label=row.api_key.name if row.api_key else "",
        member_email=row.member.email if row.member else "",
        project=row.project.name,
        quoted_microusd=row.quoted_microusd,
        charged_microusd=row.charged_microusd,
        error_code=row.error_code,
        error_detail=row.error_detail,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        step=row.step,
        style_references=styles_of(row),
        revised_prompt=row.revised_prompt,
        artifacts=tuple(
            ImageSummary(
                id=artifact.id,
                index=artifact.index,
                width=artifact.width,
                height=artifact.height,
                media_type=artifact.media_type,
                size_bytes=artifact.size_bytes,
                sha256=artifact.sha256,
                deleted=artifact.deleted_at is not None,
            )
            for artifact in _artifacts(row)
        ),
    )


def styles_of(row: Generation) -> tuple[dict[str, Any], ...]:
    """The references of a job, without where their files are."""
    names = ("id", "sha256", "strength")
    return tuple({name: each[name] for name in names} for each in row.style_references)


def _artifacts(row: Generation) -> list[Artifact]:
    return sorted(row.artifacts.all(), key=lambda artifact: artifact.index)


def _with_names(rows: QuerySet[Generation]) -> QuerySet[Generation]:
    return rows.select_related("release", "api_key", "member", "project").prefetch_related(
        "artifacts"
    )


def _cursor(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound(
            "This page address is not valid. Start again from the first page."
        ) from error
