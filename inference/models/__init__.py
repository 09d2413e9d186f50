"""Generations, their images, and the engines that make them."""

from inference.models.adapters import Adapter
from inference.models.engines import EngineStatus, TenantShare
from inference.models.generations import FINAL_STATES, OPEN_STATES, Artifact, Generation, State
from inference.models.idempotency import IdempotencyKey
from inference.models.references import Moodboard, StyleReference
from inference.models.retention import ImageRetention
from inference.models.training_data import RightsAttestation, TrainingDataset, TrainingItem
from inference.models.training_jobs import (
    OPEN_TRAINING_STATES,
    TrainingJob,
    TrainingLoss,
    TrainingSample,
    TrainingState,
)

__all__ = [
    "FINAL_STATES",
    "OPEN_STATES",
    "OPEN_TRAINING_STATES",
    "Adapter",
    "Artifact",
    "EngineStatus",
    "Generation",
    "IdempotencyKey",
    "ImageRetention",
    "Moodboard",
    "RightsAttestation",
    "State",
    "StyleReference",
    "TenantShare",
    "TrainingDataset",
    "TrainingItem",
    "TrainingJob",
    "TrainingLoss",
    "TrainingSample",
    "TrainingState",
]
