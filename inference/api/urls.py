"""Addresses of the image API."""

from django.urls import path

from inference.api.account import BalanceView, Models
from inference.api.adapters import AdapterDetail, Adapters
from inference.api.generations import GenerationCancel, GenerationDetailView, Generations
from inference.api.images import ImagesGenerations, image_content, waiting

urlpatterns = [
    path("v1/images/generations", waiting(ImagesGenerations), name="images-generations"),
    path("v1/images/content/<str:token>", image_content, name="image-content"),
    path("v1/generations", Generations.as_view(), name="generations"),
    path("v1/generations/<uuid:generation_id>", GenerationDetailView.as_view(), name="generation"),
    path(
        "v1/generations/<uuid:generation_id>/cancel",
        GenerationCancel.as_view(),
        name="generation-cancel",
    ),
    path("v1/adapters", Adapters.as_view(), name="adapters"),
    path("v1/adapters/<uuid:adapter_id>", AdapterDetail.as_view(), name="adapter"),
    path("v1/models", Models.as_view(), name="models"),
    path("v1/balance", BalanceView.as_view(), name="balance"),
]
