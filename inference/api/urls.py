"""Addresses of the image API."""

from django.urls import path

from inference.api.images import ImagesGenerations, image_content, waiting

urlpatterns = [
    path("v1/images/generations", waiting(ImagesGenerations), name="images-generations"),
    path("v1/images/content/<str:token>", image_content, name="image-content"),
]
