"""A training recipe: plain data in TOML, checked before anything starts."""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facespace.errors import RecipeError
from facespace.validation import explain

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataSection(_Section):
    """Which faces to learn from.

    train : folder with one sub-folder of photos a person; relative to the recipe's own folder
    validation : another such folder with other people, on whom thresholds and calibration are measured
    validation_people : or, how many people of `train` to set aside for that
    description, licence, terms : what the model card will say of the data
    """

    train: Path
    validation: Path | None = None
    validation_people: Annotated[int, Field(ge=0)] = 0
    description: str = "not described"
    licence: str = "not stated"
    terms: str = "not stated"


class NetworkSection(_Section):
    """Which network: its registered name, the input size in pixels, numbers in an embedding."""

    name: str
    width: Annotated[int, Field(ge=16, le=1024)]
    height: Annotated[int, Field(ge=16, le=1024)]
    dimension: Annotated[int, Field(ge=2, le=4096)] = 128


class BatchSection(_Section):
    """Identity-balanced batches: `people` identities with `photos` faces each."""

    people: Annotated[int, Field(ge=2)]
    photos: Annotated[int, Field(ge=2)]


class LossSection(_Section):
    """The triplet loss (paper equation 3) and the mining of its triplets (paper section 3.2)."""

    name: Literal["triplet"] = "triplet"
    margin: Annotated[float, Field(gt=0, lt=4)] = 0.2
    mining: Literal["semi-hard"] = "semi-hard"


class OptimiserSection(_Section):
    """AdaGrad, the paper's choice; the rate falls along a half cosine to `final_share` of it."""

    name: Literal["adagrad"] = "adagrad"
    rate: Annotated[float, Field(gt=0)] = 0.05
    final_share: Share = 1.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


class AugmentSection(_Section):
    """Random changes to each training face.

    flip : chance to mirror it
    rotate : largest turn, degrees
    scale, shift : largest zoom and move, as a share of the size
    light : largest change of contrast and brightness, as a share of the range
    colour : largest change of saturation; half as much of the colour of the light
    erase : chance to cover a rectangle of a tenth to a third of each side
    blur : chance of a Gaussian blur of up to 1.5 % of the width
    low_resolution : chance to shrink it, down to a quarter of each side, and enlarge it again
    jpeg : chance to compress it, at a quality of 20 to 90
    """

    flip: Share = 0.5
    rotate: Annotated[float, Field(ge=0, le=45)] = 8.0
    scale: Annotated[float, Field(ge=0, le=0.5)] = 0.08
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    light: Annotated[float, Field(ge=0, le=1)] = 0.2
    colour: Annotated[float, Field(ge=0, le=1)] = 0.0
    erase: Share = 0.0
    blur: Share = 0.0
    low_resolution: Share = 0.0
    jpeg: Share = 0.0


class Recipe(_Section):
    """Everything that decides what a training run gives."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0)] = 1
    steps: Count
    checkpoint_every: Count = 100
    keep_checkpoints: Count = 3
    data: DataSection
    network: NetworkSection
    batch: BatchSection
    loss: LossSection = LossSection()
    optimiser: OptimiserSection = OptimiserSection()
    augment: AugmentSection = AugmentSection()


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Read a recipe; its folders are resolved against the folder it stands in.

    Raises
    ------
    RecipeError
        No such file, not TOML (with the line), or a key or value that is not valid (with the nearest
        known key).
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read the recipe {path}: {error.strerror}; check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not TOML: {error}") from None
    recipe = parse_recipe(values, str(path))
    data = recipe.data
    return recipe.model_copy(
        update={
            "data": data.model_copy(
                update={
                    "train": path.parent / data.train,
                    "validation": None if data.validation is None else path.parent / data.validation,
                }
            )
        }
    )


def parse_recipe(values: object, where: str) -> Recipe:
    """Check a recipe's values; RecipeError names each key that is wrong."""
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise RecipeError(f"the recipe {where} is not valid:\n{explain(error, Recipe)}") from None
