"""/v1/training/datasets: pictures with captions, their verdicts, and who vouches for the rights."""

from typing import Any, ClassVar
from uuid import UUID

from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.authentication import actor_of
from inference.api.admission import caller_of
from inference.kernel.training_terms import (
    LONGEST_CAPTION,
    STATEMENT,
    STATEMENT_SHA256,
    STATEMENT_VERSION,
)
from inference.models import TrainingDataset, TrainingItem
from inference.operations.training_data import attest_rights, create_dataset, delete_dataset
from inference.operations.training_items import add_item, remove_item
from inference.queries.training import attestation_of, dataset_of, datasets_of, items_of
from moderation.operations.intake import MOST_BYTES


class DatasetRequest(serializers.Serializer[Any]):
    """Body of POST /v1/training/datasets."""

    name = serializers.CharField(max_length=100)


class ItemRequest(serializers.Serializer[Any]):
    """Body of POST .../items, as multipart form."""

    image = serializers.FileField(help_text="A PNG, JPEG or WebP file of at most 20 MiB.")
    caption = serializers.CharField(
        max_length=LONGEST_CAPTION, help_text="What it shows, with the trigger word."
    )


class AttestationRequest(serializers.Serializer[Any]):
    """Body of POST .../attestation: the version of the statement that is accepted."""

    text_version = serializers.CharField(help_text=f"In force: {STATEMENT_VERSION}. {STATEMENT}")


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


class TrainingDatasets(APIView):
    """The collection."""

    scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="create_training_dataset",
        request=DatasetRequest,
        responses={201: DatasetBody},
        summary="Make an empty dataset",
    )
    def post(self, request: Request) -> Response:
        """201 with the dataset."""
        form = DatasetRequest(data=request.data)
        form.is_valid(raise_exception=True)
        dataset = create_dataset(
            organization_id=caller_of(request).organization_id,
            name=form.validated_data["name"],
            actor=actor_of(request),
            at=now(),
        )
        place = {"Location": f"/v1/training/datasets/{dataset.id}"}
        return Response(dataset_body(dataset), status=201, headers=place)

    @extend_schema(
        operation_id="list_training_datasets",
        responses={200: DatasetList},
        summary="List datasets",
    )
    def get(self, request: Request) -> Response:
        """The organization's datasets."""
        rows = datasets_of(caller_of(request).organization_id)
        return Response({"object": "list", "data": [dataset_body(each) for each in rows]})


class TrainingDatasetDetail(APIView):
    """One dataset."""

    scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="get_training_dataset",
        responses={200: DatasetDetailBody},
        summary="Look at a dataset: each item's verdict, the attestation, the statement",
    )
    def get(self, request: Request, dataset_id: UUID) -> Response:
        """The dataset with its items."""
        return Response(detail_body(dataset_of(caller_of(request).organization_id, dataset_id)))

    @extend_schema(
        operation_id="delete_training_dataset", responses={204: None}, summary="Delete a dataset"
    )
    def delete(self, request: Request, dataset_id: UUID) -> Response:
        """Its pictures and captions go; hashes, decisions and lineage stay. 409 while it is in use."""
        delete_dataset(
            organization_id=caller_of(request).organization_id,
            dataset_id=dataset_id,
            actor=actor_of(request),
            at=now(),
        )
        return Response(status=204)


class TrainingItems(APIView):
    """The items of one dataset."""

    scope: ClassVar[str] = "images:write"
    parser_classes = [MultiPartParser, FormParser]

    @extend_schema(
        operation_id="list_training_items",
        responses={200: ItemList},
        summary="Every item with its verdict",
    )
    def get(self, request: Request, dataset_id: UUID) -> Response:
        """Accepted and refused ones, in the order in which they came."""
        dataset = dataset_of(caller_of(request).organization_id, dataset_id)
        return Response({"object": "list", "data": [item_body(each) for each in items_of(dataset)]})

    @extend_schema(
        operation_id="add_training_item",
        request={"multipart/form-data": ItemRequest},
        responses={201: ItemBody},
        summary="Add a picture with its caption; both pass the gate",
    )
    def post(self, request: Request, dataset_id: UUID) -> Response:
        """201 with the item; a refused one answers 400 and stays in the dataset as a reason."""
        organization_id = caller_of(request).organization_id
        dataset_of(organization_id, dataset_id)
        form = ItemRequest(data=request.data)
        form.is_valid(raise_exception=True)
        image = form.validated_data["image"]
        item = add_item(
            organization_id=organization_id,
            dataset_id=dataset_id,
            data=image.read(MOST_BYTES + 1),
            caption=form.validated_data["caption"],
            name=image.name or "",
            actor=actor_of(request),
            at=now(),
        )
        return Response(item_body(item), status=201)


class TrainingItemDetail(APIView):
    """One item of a dataset."""

    scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="remove_training_item", responses={204: None}, summary="Remove an item"
    )
    def delete(self, request: Request, dataset_id: UUID, item_id: UUID) -> Response:
        """Gone with its bytes; 409 once a training has frozen the dataset."""
        remove_item(
            organization_id=caller_of(request).organization_id,
            dataset_id=dataset_id,
            item_id=item_id,
            actor=actor_of(request),
        )
        return Response(status=204)


class TrainingAttestation(APIView):
    """Vouching for the rights to one dataset."""

    scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="attest_training_rights",
        request=AttestationRequest,
        responses={201: DatasetDetailBody},
        summary="Attest the rights to every item as it is now",
    )
    def post(self, request: Request, dataset_id: UUID) -> Response:
        """201 with the dataset. An item that is added later needs a new attestation."""
        organization_id = caller_of(request).organization_id
        dataset = dataset_of(organization_id, dataset_id)
        form = AttestationRequest(data=request.data)
        form.is_valid(raise_exception=True)
        attest_rights(
            organization_id=organization_id,
            dataset_id=dataset_id,
            text_version=form.validated_data["text_version"],
            actor=actor_of(request),
            at=now(),
        )
        return Response(detail_body(dataset), status=201)
