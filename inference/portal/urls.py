"""Addresses of an organization's pages about its generations."""

from django.urls import path

from inference.portal import organization, playground, training, training_datasets, views, workers

urlpatterns = [
    path("operator/engines/", workers.workers_page, name="workers"),
    path("o/<slug:slug>/", organization.organization_home, name="organization"),
    path("o/<slug:slug>/generations/", views.generation_list, name="generation-list"),
    path("o/<slug:slug>/generations.csv", views.generation_csv, name="generation-csv"),
    path(
        "o/<slug:slug>/generations/<uuid:generation_id>/",
        views.generation_page,
        name="generation-page",
    ),
    path(
        "o/<slug:slug>/generations/<uuid:generation_id>/images/<int:index>",
        views.generation_image,
        name="generation-image",
    ),
    path(
        "o/<slug:slug>/generations/<uuid:generation_id>/progress",
        playground.progress,
        name="generation-progress",
    ),
    path("o/<slug:slug>/training/", training.training_home, name="training-home"),
    path(
        "o/<slug:slug>/training/datasets/<uuid:dataset_id>/",
        training_datasets.dataset_page,
        name="training-dataset-page",
    ),
    path(
        "o/<slug:slug>/training/datasets/<uuid:dataset_id>/items/<uuid:item_id>",
        training_datasets.item_image,
        name="training-item-image",
    ),
    path(
        "o/<slug:slug>/training/jobs/<uuid:job_id>/",
        training.job_page,
        name="training-job-page",
    ),
    path(
        "o/<slug:slug>/training/jobs/<uuid:job_id>/progress",
        training.job_progress,
        name="training-job-progress",
    ),
    path(
        "o/<slug:slug>/training/jobs/<uuid:job_id>/samples/<int:step>",
        training.sample_image,
        name="training-sample-image",
    ),
    path("o/<slug:slug>/playground/", playground.playground, name="playground"),
    path("o/<slug:slug>/playground/price", playground.price, name="playground-price"),
]
