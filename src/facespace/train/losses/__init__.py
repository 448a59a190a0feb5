"""Losses, by name."""

from facespace.train.losses.baselines import arcface, contrastive, cross_entropy
from facespace.train.losses.batch import Batch, Loss
from facespace.train.losses.distil import DistillationLoss, distillation_loss
from facespace.train.losses.harmonic import HarmonicTripletLoss
from facespace.train.losses.registry import build_loss
from facespace.train.losses.triplet import TripletLoss, triplet_loss

__all__ = [
    "Batch",
    "DistillationLoss",
    "HarmonicTripletLoss",
    "Loss",
    "TripletLoss",
    "arcface",
    "build_loss",
    "contrastive",
    "cross_entropy",
    "distillation_loss",
    "triplet_loss",
]
