"""The model file and its card, the engine that runs it, and the models that ship with the package."""

from facespace.model.batching import Batcher, SharedEngine
from facespace.model.card import (
    CalibrationCard,
    CalibrationErrorCard,
    Card,
    ClusteringCard,
    DecisionsCard,
    DistancesCard,
    FigureCard,
    GroupRatesCard,
    GroupsCard,
    GroupThresholdCard,
    ImpostorsCard,
    ImpostorTailCard,
    InputCard,
    LimitCard,
    QuantisedCard,
    RejectionCard,
    ShareCard,
    StageCard,
    StatedThresholdCard,
    ThresholdCard,
    TrainingCard,
)
from facespace.model.check import check_model
from facespace.model.engine import Embedder, Engine, prepare
from facespace.model.file import ModelFile, read_model, with_card, write_model
from facespace.model.listing import ListedModel, list_models
from facespace.model.shipped import find_model, ship, shipped_model, shipped_models
from facespace.onnxfile import weights_sha256

__all__ = [
    "Batcher",
    "CalibrationCard",
    "CalibrationErrorCard",
    "Card",
    "ClusteringCard",
    "DecisionsCard",
    "DistancesCard",
    "Embedder",
    "Engine",
    "FigureCard",
    "GroupRatesCard",
    "GroupThresholdCard",
    "GroupsCard",
    "ImpostorTailCard",
    "ImpostorsCard",
    "InputCard",
    "LimitCard",
    "ListedModel",
    "ModelFile",
    "QuantisedCard",
    "RejectionCard",
    "ShareCard",
    "SharedEngine",
    "StageCard",
    "StatedThresholdCard",
    "ThresholdCard",
    "TrainingCard",
    "check_model",
    "find_model",
    "list_models",
    "prepare",
    "read_model",
    "ship",
    "shipped_model",
    "shipped_models",
    "weights_sha256",
    "with_card",
    "write_model",
]
