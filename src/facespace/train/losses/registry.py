"""Build the loss of a recipe."""

from facespace.train.losses.baselines import arcface, contrastive, cross_entropy
from facespace.train.losses.batch import Loss
from facespace.train.losses.distil import DistillationLoss
from facespace.train.losses.harmonic import HarmonicTripletLoss
from facespace.train.losses.triplet import TripletLoss
from facespace.train.recipe import (
    ArcfaceSection,
    ContrastiveSection,
    CrossEntropySection,
    HarmonicSection,
    LossSection,
    TripletSection,
)


def build_loss(section: LossSection, people: int, dimension: int) -> Loss:
    """Build the loss of a recipe; its own weights, if any, are drawn from torch's global generator.

    Parameters
    ----------
    section : LossSection
    people : int
        Number of training people; labels are 0 to people - 1.
    dimension : int
        Dimension of an embedding.
    """
    if isinstance(section, TripletSection):
        return TripletLoss(section.distance, section.soft)
    if isinstance(section, HarmonicSection):
        return HarmonicTripletLoss()
    if isinstance(section, ContrastiveSection):
        return contrastive(section.margin)
    if isinstance(section, ArcfaceSection):
        return arcface(people, dimension, section.angle, section.scale)
    if isinstance(section, CrossEntropySection):
        return cross_entropy(people, dimension, section.smoothing)
    return DistillationLoss(section.relations, section.triplets, section.templates, section.scale)
