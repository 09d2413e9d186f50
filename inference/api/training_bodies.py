"""What /v1/training/datasets takes and tells, as JSON."""

from typing import Any

from rest_framework import serializers

from governance.api.fields import Text
from inference.kernel.training_terms import (
    LONGEST_CAPTION,
    STATEMENT,
    STATEMENT_SHA256,
    STATEMENT_VERSION,
)
from inference.models import TrainingDataset, TrainingItem
from inference.queries.training import attestation_of, items_of


class DatasetRequest(serializers.Serializer[Any]):
    """Body of POST /v1/training/datasets."""

    name = Text(max_length=100)


class ItemRequest(serializers.Serializer[Any]):
    """Body of POST .../items, as multipart form."""

    image = serializers.FileField(help_text="A PNG, JPEG or WebP file of at most 20 MiB.")
    caption = Text(max_length=LONGEST_CAPTION, help_text="What it shows, with the trigger word.")


class AttestationRequest(serializers.Serializer[Any]):
    """Body of POST .../attestation: the version of the statement that is accepted."""

    text_version = Text(help_text=f"In force: {STATEMENT_VERSION}. {STATEMENT}")


class ItemBody(serializers.Serializer[Any]):
    """One item. ``error`` says why one was refused."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="training_item")
    name = serializers.CharField()
    accepted = serializers.BooleanField()
    caption = serializers.CharField()
    width = serializers.IntegerField()
    height = serializers.IntegerField()
    sha256 = serializers.CharField()
    error = serializers.DictField(allow_null=True)
    created_at = serializers.DateTimeField()


class ItemList(serializers.Serializer[Any]):
    """All items of a dataset."""

    object = serializers.CharField(default="list")
    # Serializer has a property of this name; for a schema the field is what counts.
    data = ItemBody(many=True)  # type: ignore[assignment]


class AttestationBody(serializers.Serializer[Any]):
    """Who vouched, when, for which text."""

    id = serializers.UUIDField()
    text_version = serializers.CharField()
    text_sha256 = serializers.CharField()
    items_sha256 = serializers.CharField()
    by = serializers.CharField()
    at = serializers.DateTimeField()


class DatasetBody(serializers.Serializer[Any]):
    """One dataset. ``sha256`` names its content once it is frozen."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="training_dataset")
    name = serializers.CharField()
    accepted = serializers.IntegerField()
    refused = serializers.IntegerField()
    frozen = serializers.BooleanField()
    sha256 = serializers.CharField()
    created_at = serializers.DateTimeField()


class DatasetDetailBody(DatasetBody):
    """One dataset with its items and the attestation that covers them as they are."""

    items = ItemBody(many=True)
    attestation = AttestationBody(allow_null=True)
    statement = serializers.DictField()


class DatasetList(serializers.Serializer[Any]):
    """All datasets, newest first."""

    object = serializers.CharField(default="list")
    # Serializer has a property of this name; for a schema the field is what counts.
    data = DatasetBody(many=True)  # type: ignore[assignment]


def dataset_body(dataset: TrainingDataset) -> dict[str, Any]:
    """The reply's JSON for one dataset."""
    return {
        "id": str(dataset.id),
        "object": "training_dataset",
        "name": dataset.name,
        "accepted": getattr(dataset, "accepted", 0),
        "refused": getattr(dataset, "refused", 0),
        "frozen": dataset.frozen_at is not None,
        "sha256": dataset.sha256,
        "created_at": dataset.created_at,
    }


def item_body(item: TrainingItem) -> dict[str, Any]:
    """The reply's JSON for one item."""
    error = {"code": item.error_code, "message": item.error_detail, **item.error_facts}
    return {
        "id": str(item.id),
        "object": "training_item",
        "name": item.name,
        "accepted": item.accepted,
        "caption": item.caption,
        "width": item.width,
        "height": item.height,
        "sha256": item.sha256,
        "error": None if item.accepted else error,
        "created_at": item.created_at,
    }


def detail_body(dataset: TrainingDataset) -> dict[str, Any]:
    """The reply's JSON for one dataset with everything in it."""
    found = attestation_of(dataset.id)
    attestation = found and {
        "id": str(found.id),
        "text_version": found.text_version,
        "text_sha256": found.text_sha256,
        "items_sha256": found.items_sha256,
        "by": found.actor_label or found.actor_id,
        "at": found.at,
    }
    return {
        **dataset_body(dataset),
        "items": [item_body(item) for item in items_of(dataset)],
        "attestation": attestation,
        "statement": {
            "version": STATEMENT_VERSION,
            "sha256": STATEMENT_SHA256,
            "text": STATEMENT,
        },
    }
