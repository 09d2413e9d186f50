"""Addresses of the image API, by dialect."""

from django.urls import path

from inference.api.account import BalanceView, Models, ModelView
from inference.api.adapters import AdapterDetail, Adapters
from inference.api.content import ImageDeletion, image_content
from inference.api.generations import GenerationCancel, GenerationDetailView, Generations
from inference.api.held import waiting
from inference.api.huggingface import DefaultTextToImage, TextToImage
from inference.api.images import ImagesGenerations
from inference.api.krea import KreaGenerate, KreaJobs
from inference.api.moodboards import MoodboardDetail, Moodboards
from inference.api.references import (
    StyleReferenceContent,
    StyleReferenceDetail,
    StyleReferences,
)
from inference.api.replicate import ModelPredictions, Prediction, PredictionCancel, Predictions
from inference.api.retention import ImageRetentionView
from inference.api.training_data import (
    TrainingAttestation,
    TrainingDatasetDetail,
    TrainingDatasets,
    TrainingItemDetail,
    TrainingItems,
)
from inference.api.training_events import TrainingEvents
from inference.api.training_jobs import (
    TrainingCancel,
    TrainingDetail,
    TrainingJobs,
    TrainingSampleContent,
)

openai = [
    path("v1/images/generations", waiting(ImagesGenerations), name="images-generations"),
    path("v1/models", Models.as_view(), name="models"),
    path("v1/models/<str:model>", ModelView.as_view(), name="model"),
]
native = [
    path("v1/generations", waiting(Generations), name="generations"),
    path("v1/generations/<uuid:generation_id>", GenerationDetailView.as_view(), name="generation"),
    path(
        "v1/generations/<uuid:generation_id>/cancel",
        GenerationCancel.as_view(),
        name="generation-cancel",
    ),
    path("v1/adapters", Adapters.as_view(), name="adapters"),
    path("v1/adapters/<uuid:adapter_id>", AdapterDetail.as_view(), name="adapter"),
    path("v1/style_references", StyleReferences.as_view(), name="style-references"),
    path(
        "v1/style_references/<uuid:reference_id>",
        StyleReferenceDetail.as_view(),
        name="style-reference",
    ),
    path(
        "v1/style_references/<uuid:reference_id>/content",
        StyleReferenceContent.as_view(),
        name="style-reference-content",
    ),
    path("v1/moodboards", Moodboards.as_view(), name="moodboards"),
    path("v1/moodboards/<uuid:moodboard_id>", MoodboardDetail.as_view(), name="moodboard"),
    path(
        "v1/generations/<uuid:generation_id>/images/<int:index>",
        ImageDeletion.as_view(),
        name="image-deletion",
    ),
    path("v1/images/content/<str:token>", image_content, name="image-content"),
    path("v1/balance", BalanceView.as_view(), name="balance"),
    path("v1/organization/image_retention", ImageRetentionView.as_view(), name="image-retention"),
]
DATASET = "v1/training/datasets/<uuid:dataset_id>"
JOB = "v1/training/jobs/<uuid:job_id>"
training = [
    path("v1/training/datasets", TrainingDatasets.as_view(), name="training-datasets"),
    path(DATASET, TrainingDatasetDetail.as_view(), name="training-dataset"),
    path(f"{DATASET}/items", TrainingItems.as_view(), name="training-items"),
    path(f"{DATASET}/items/<uuid:item_id>", TrainingItemDetail.as_view(), name="training-item"),
    path(f"{DATASET}/attestation", TrainingAttestation.as_view(), name="training-attestation"),
    path("v1/training/jobs", TrainingJobs.as_view(), name="training-jobs"),
    path(JOB, TrainingDetail.as_view(), name="training-job"),
    path(f"{JOB}/events", waiting(TrainingEvents), name="training-events"),
    path(f"{JOB}/cancel", TrainingCancel.as_view(), name="training-cancel"),
    path(f"{JOB}/samples/<int:step>", TrainingSampleContent.as_view(), name="training-sample"),
]
# InferenceClient(base_url="…/v1") posts to that very address, so it is the default model's.
huggingface = [
    path("hf/models/<path:model>", waiting(TextToImage), name="hf-text-to-image"),
    path("v1", waiting(DefaultTextToImage), name="hf-default-model"),
    path("v1/", waiting(DefaultTextToImage), name="hf-default-model-slash"),
]
replicate = [
    path(
        "v1/models/<str:owner>/<str:name>/predictions",
        waiting(ModelPredictions),
        name="model-predictions",
    ),
    path("v1/predictions", Predictions.as_view(), name="predictions"),
    path("v1/predictions/<uuid:generation_id>", Prediction.as_view(), name="prediction"),
    path(
        "v1/predictions/<uuid:generation_id>/cancel",
        PredictionCancel.as_view(),
        name="prediction-cancel",
    ),
]
krea = [
    path("generate/image/krea/krea-2/<str:variant>", waiting(KreaGenerate), name="krea-generate"),
    path("jobs/<uuid:generation_id>", KreaJobs.as_view(), name="krea-job"),
]
urlpatterns = [*openai, *native, *training, *huggingface, *replicate, *krea]
