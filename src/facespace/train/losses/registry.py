"""Losses by the name a recipe gives."""

from collections.abc import Callable

from facespace.errors import RecipeError
from facespace.train.losses.baselines import arcface, contrastive, cross_entropy
from facespace.train.losses.batch import Loss
from facespace.train.losses.distil import DistillationLoss
from facespace.train.losses.harmonic import HarmonicTripletLoss
from facespace.train.losses.triplet import TripletLoss
from facespace.train.recipe import LossSection
from facespace.validation import nearest_name

# (section, people, dimension) -> loss
LOSSES: dict[str, Callable[[LossSection, int, int], Loss]] = {
    "triplet": lambda section, people, dimension: TripletLoss(section.distance, section.soft),
    "harmonic": lambda section, people, dimension: HarmonicTripletLoss(),
    "cross-entropy": lambda section, people, dimension: cross_entropy(people, dimension, section.smoothing),
    "contrastive": lambda section, people, dimension: contrastive(section.margin),
    "arcface": lambda section, people, dimension: arcface(people, dimension, section.angle, section.scale),
    "distillation": lambda section, people, dimension: DistillationLoss(
        section.relations, section.triplets, section.templates, section.scale
    ),
}


def build_loss(section: LossSection, people: int, dimension: int) -> Loss:
    """The loss of a recipe, its own weights (if it has any) drawn from torch's global generator.

    Parameters
    ----------
    section : LossSection
    people : int
        How many people are trained on; labels run from 0 to below that.
    dimension : int
        Numbers in an embedding.

    Raises
    ------
    RecipeError
        No loss has that name.
    """
    if section.name not in LOSSES:
        raise RecipeError(f"loss.name: there is no loss {section.name!r}{nearest_name(section.name, list(LOSSES))}")
    return LOSSES[section.name](section, people, dimension)
