"""Faces to embeddings: the model file and its card, the engine that runs it, the space."""

from facespace.embed.card import (
    CalibrationCard,
    Card,
    ClusteringCard,
    DecisionsCard,
    DistancesCard,
    FigureCard,
    ImpostorsCard,
    ImpostorTailCard,
    InputCard,
    LimitCard,
    QuantisedCard,
    RejectionCard,
    StageCard,
    ThresholdCard,
    TrainingCard,
)
from facespace.embed.check import check_model
from facespace.embed.engine import Embedder, Engine, prepare
from facespace.embed.harvest import Harvest, Source, describe, harvest, sources_in
from facespace.embed.listing import ListedModel, list_models
from facespace.embed.modelfile import ModelFile, read_model, weights_sha256, with_card, write_model
from facespace.embed.records import (
    Compared,
    Face,
    Failure,
    Look,
    PhotoFaces,
    Verification,
    compared_face,
    main_face,
)
from facespace.embed.shipped import find_model, ship, shipped_model, shipped_models
from facespace.embed.space import Space, as_photos, load
from facespace.embed.together import SharedEngine, Together

__all__ = [
    "CalibrationCard",
    "Card",
    "ClusteringCard",
    "Compared",
    "DecisionsCard",
    "DistancesCard",
    "Embedder",
    "Engine",
    "Face",
    "Failure",
    "FigureCard",
    "Harvest",
    "ImpostorTailCard",
    "ImpostorsCard",
    "InputCard",
    "LimitCard",
    "ListedModel",
    "Look",
    "ModelFile",
    "PhotoFaces",
    "QuantisedCard",
    "RejectionCard",
    "SharedEngine",
    "Source",
    "Space",
    "StageCard",
    "ThresholdCard",
    "Together",
    "TrainingCard",
    "Verification",
    "as_photos",
    "check_model",
    "compared_face",
    "describe",
    "find_model",
    "harvest",
    "list_models",
    "load",
    "main_face",
    "prepare",
    "read_model",
    "ship",
    "shipped_model",
    "shipped_models",
    "sources_in",
    "weights_sha256",
    "with_card",
    "write_model",
]
