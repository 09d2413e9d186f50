"""/v1/training/datasets: pictures with captions, their verdicts, and who vouches for the rights."""

from typing import ClassVar
from uuid import UUID

from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.authentication import actor_of
from inference.api.admission import caller_of
from inference.api.training_bodies import (
    AttestationRequest,
    DatasetBody,
    DatasetDetailBody,
    DatasetList,
    DatasetRequest,
    ItemBody,
    ItemList,
    ItemRequest,
    dataset_body,
    detail_body,
    item_body,
)
from inference.operations.training_data import attest_rights, create_dataset, delete_dataset
from inference.operations.training_items import add_item, remove_item
from inference.queries.training import dataset_of, datasets_of, items_of
from moderation.operations.intake import MOST_BYTES


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
