"""Faces to embeddings: the model file and its card, the engine that runs it, the space."""

from facespace.embed.card import (
    CalibrationCard,
    Card,
    ClusteringCard,
    DecisionsCard,
    InputCard,
    ThresholdCard,
    TrainingCard,
)
from facespace.embed.engine import Engine, prepare
from facespace.embed.modelfile import ModelFile, read_model, weights_sha256, with_card, write_model
from facespace.embed.space import Face, Failure, Space, Verification, as_photos, load

__all__ = [
    "CalibrationCard",
    "Card",
    "ClusteringCard",
    "DecisionsCard",
    "Engine",
    "Face",
    "Failure",
    "InputCard",
    "ModelFile",
    "Space",
    "ThresholdCard",
    "TrainingCard",
    "Verification",
    "as_photos",
    "load",
    "prepare",
    "read_model",
    "weights_sha256",
    "with_card",
    "write_model",
]
