"""Taking in adapters: normalised, validated, on record with lineage and notice, private."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction

from governance.kernel.actors import Actor
from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import DomainError, InvalidRequest, NotFound
from governance.kernel.ids import uuid7
from governance.models import ModelRelease, ReleaseStatus
from governance.operations import audit
from governance.operations.releases import HashedFile, register_release
from inference.kernel.adapter_files import Adapter as AdapterFile
from inference.kernel.adapter_files import normalised
from inference.kernel.adapter_words import words_of
from inference.kernel.tensor_files import read_tensors
from inference.models import Adapter
from inference.queries.adapters import visible_adapters
from moderation.operations.screening import (
    GateRefusal,
    ScreenedPrompt,
    record_prompt_decision,
    screen_prompt,
)

MOST_BYTES = 512 << 20
MOST_PER_REQUEST = 4
LARGEST_STRENGTH = 2.0
STRENGTH_DIGITS = 3


class AdapterExists(DomainError):
    """The organization has this very adapter already."""

    code = "adapter_exists"
    title = "This adapter is here already"
    status = 409


@dataclass(frozen=True)
class AdapterChoice:
    """An adapter that a request asks for, and how strongly: from -2 to 2, 1 is as trained."""

    id: UUID
    strength: float = 1.0


def nothing(_adapter: Adapter) -> None:
    """For a caller without rows of its own."""


def upload_adapter(
    *,
    data: bytes,
    name: str,
    base_slug: str,
    organization_id: UUID,
    actor: Actor,
    at: datetime,
    trigger: str = "",
    shared_with_group: bool = False,
    source: str = "upload",
    then: Callable[[Adapter], None] = nothing,
) -> Adapter:
    """Normalise, validate and register a LoRA file for ``organization_id``.

    The file's hash is looked up on the deny-list as sent and as normalised. What it says of itself
    (name, trigger, metadata) passes the gate like a prompt, and the decision is on record. Raises
    InvalidRequest, TensorFileInvalid, AdapterInvalid, ReleaseDenied, AdapterExists, NotFound (the base
    model), PromptBlocked, PromptHeld, GateUnavailable.
    ``then`` belongs to the transaction that writes it: what it raises leaves no adapter behind.
    An adapter that changes nothing is taken, and says so. Not retryable, but for AdapterExists.
    """
    if not name.strip() or len(data) > MOST_BYTES:
        raise InvalidRequest(
            f"An adapter needs a name and at most {MOST_BYTES >> 20} MiB.", param="name"
        )
    base = base_release(base_slug)
    sent = read_tensors(data)
    file = normalised(sent)
    normal = file.as_file()
    adapter_id = uuid7()
    screened = screen_words(
        words_of(name.strip()[:100], trigger[:100], sent.metadata),
        adapter_id,
        organization_id,
        actor,
        at,
    )
    adapter = Adapter(
        id=adapter_id,
        organization_id=organization_id,
        name=name.strip()[:100],
        trigger=trigger[:100],
        shared_with_group=shared_with_group,
        source=source,
        rank=file.rank,
        modules=len(file.pairs),
        norm=round(file.norm, 6),
        changes_nothing=file.changes_nothing,
        sha256=sha256_hex(normal),
        uploaded_sha256=sha256_hex(data),
        size_bytes=len(normal),
        created_at=at,
    )
    adapter.blob = f"{organization_id}/adapters/{adapter.id}.safetensors"
    default_storage.save(adapter.blob, ContentFile(normal))
    try:
        register(adapter, base, file, screened, len(data), actor, at, then)
    except Exception:
        default_storage.delete(adapter.blob)
        raise
    return adapter


def screen_words(
    words: str, adapter_id: UUID, organization_id: UUID, actor: Actor, at: datetime
) -> ScreenedPrompt:
    """What the adapter says of itself, past the gate. A refusal is on record before it is raised."""
    try:
        return screen_prompt(
            text=words, kind="trigger", subject=adapter_id, organization_id=organization_id, at=at
        )
    except GateRefusal as refusal:
        record_prompt_decision(
            refusal, job_id=adapter_id, organization_id=organization_id, actor=actor, at=at
        )
        raise


@transaction.atomic
def register(
    adapter: Adapter,
    base: ModelRelease,
    file: AdapterFile,
    screened: ScreenedPrompt,
    sent_bytes: int,
    actor: Actor,
    at: datetime,
    then: Callable[[Adapter], None],
) -> None:
    """The registry's entry, the row and the audit entry in one transaction."""
    adapter.release = register_release(
        name=f"Krea 2 adapter {adapter.id.hex[-12:]}",
        variant=base.variant,
        source=adapter.source,
        files=[
            HashedFile("uploaded", adapter.uploaded_sha256, sent_bytes),
            HashedFile("adapter.safetensors", adapter.sha256, adapter.size_bytes),
        ],
        actor=actor,
        at=at,
        kind="adapter",
        parent=base,
        organization_id=adapter.organization_id,
    )
    try:
        with transaction.atomic():
            adapter.save(force_insert=True)
    except IntegrityError as error:
        raise AdapterExists("This adapter was registered before; use that one.") from error
    record_prompt_decision(
        screened,
        job_id=adapter.id,
        organization_id=adapter.organization_id,
        actor=actor,
        at=at,
    )
    record(adapter, actor, "adapter.registered", modules=len(file.pairs), base=base.slug)
    then(adapter)


@transaction.atomic
def delete_adapter(*, organization_id: UUID, adapter_id: UUID, actor: Actor, at: datetime) -> None:
    """Take an adapter out of use; its file goes once this commits. Its registry entry stays.

    Raises NotFound, also for one that another organization shares.
    """
    adapter = (
        Adapter.objects.select_for_update()
        .filter(id=adapter_id, organization_id=organization_id, deleted_at__isnull=True)
        .first()
    )
    if adapter is None:
        raise NotFound("There is no such adapter.")
    adapter.deleted_at = at
    adapter.save(update_fields=["deleted_at"])
    record(adapter, actor, "adapter.deleted")
    blob = adapter.blob
    transaction.on_commit(lambda: default_storage.delete(blob))


def base_release(slug: str) -> ModelRelease:
    """The active base model of this name. Raises NotFound."""
    release = ModelRelease.objects.filter(
        slug=slug, kind="base", status=ReleaseStatus.ACTIVE
    ).first()
    if release is None:
        raise NotFound(f"There is no active base model {slug!r}.")
    return release


def chosen_adapters(
    choices: Sequence[AdapterChoice], *, organization_id: UUID
) -> list[dict[str, Any]]:
    """What the job's row keeps of the adapters it asks for. Raises InvalidRequest and NotFound."""
    if not choices:
        return []
    if len(choices) > MOST_PER_REQUEST or len({each.id for each in choices}) < len(choices):
        raise InvalidRequest(f"At most {MOST_PER_REQUEST} adapters, each once.", param="adapters")
    found = {
        adapter.id: adapter
        for adapter in visible_adapters(organization_id).filter(
            id__in=[each.id for each in choices], release__status=ReleaseStatus.ACTIVE
        )
    }
    return [kept(choice, found.get(choice.id)) for choice in choices]


def kept(choice: AdapterChoice, adapter: Adapter | None) -> dict[str, Any]:
    """One adapter as the job's row keeps it. Raises InvalidRequest and NotFound."""
    if adapter is None:
        raise NotFound(f"There is no adapter {choice.id}, or it was revoked.")
    if not -LARGEST_STRENGTH <= choice.strength <= LARGEST_STRENGTH:
        raise InvalidRequest(
            f"The strength of an adapter is from {-LARGEST_STRENGTH:g} to {LARGEST_STRENGTH:g}.",
            param="adapters",
        )
    return {
        "id": str(adapter.id),
        "sha256": adapter.sha256,
        "blob": adapter.blob,
        "strength": round(choice.strength, STRENGTH_DIGITS),
    }


def record(adapter: Adapter, actor: Actor, act: str, **facts: Any) -> None:
    """One audit entry about ``adapter``."""
    audit.record(
        act=act,
        actor=actor,
        organization_id=adapter.organization_id,
        subject_kind="adapter",
        subject_id=adapter.id,
        facts={"sha256": adapter.sha256, **facts},
    )
