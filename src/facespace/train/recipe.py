"""A training recipe: plain data in TOML, checked before anything starts."""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from facespace.errors import RecipeError
from facespace.textfile import BACKSLASHES, read_toml
from facespace.validation import explain

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


def _whole(path: Path) -> Path:
    # "faces\new" in TOML is a name with a line break in it, and no error of TOML's.
    if any(ord(letter) < 32 for letter in str(path)):
        raise ValueError(f"the path holds a tab, a line break or the like; {BACKSLASHES}")
    return path


Folder = Annotated[Path, AfterValidator(_whole)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataSection(_Section):
    """Which faces to learn from.

    train : folder with one sub-folder of photos a person; relative to the recipe's own folder
    validation : another such folder with other people, on whom thresholds and calibration are measured
    validation_people : or, how many people of `train` to set aside for that
    old : a model file whose points the new network's are to be comparable with (loss 'harmonic'); without it the
        teacher's embeddings beside the faces stand for the old space
    offset : where the template lies off the middle of aligned faces, (right, down) in pixels, where whoever aligned
        them placed landmarks otherwise than the detector that the finished space will use
    description, licence, terms : what the model card will say of the data
    """

    train: Folder
    validation: Folder | None = None
    validation_people: Annotated[int, Field(ge=0)] = 0
    old: Folder | None = None
    offset: tuple[float, float] = (0.0, 0.0)
    description: str = "not described"
    licence: str = "not stated"
    terms: str = "not stated"


class NetworkSection(_Section):
    """Which network: its registered name, the input size in pixels, numbers in an embedding.

    start : folder of a run of the same network, whose last checkpoint gives the first weights; relative to
        where training is called, as runs are. Random weights where there is none
    """

    name: str
    width: Annotated[int, Field(ge=16, le=1024)]
    height: Annotated[int, Field(ge=16, le=1024)]
    dimension: Annotated[int, Field(ge=2, le=4096)] = 128
    start: Folder | None = None


class BatchSection(_Section):
    """Identity-balanced batches: `people` identities with `photos` faces each.

    chunk : 0, or how many faces go through the network at a time; the step is that of the whole batch all the
        same (gradient caching), in the memory of a chunk and a third more time
    """

    people: Annotated[int, Field(ge=2)]
    photos: Annotated[int, Field(ge=2)]
    chunk: Annotated[int, Field(ge=0)] = 0


class OfflineSection(_Section):
    """Triplets from a pool, mined anew every so often (paper section 3.2).

    every : 0 for never, or the steps between two searches
    pool : faces embedded for a search, drawn anew each time; all training faces where there are fewer
    share, final_share : how much of a batch they fill, moving from the one to the other over the run; 1 is
        offline mining alone, between is mixed. The online miner looks among all faces of the batch, these too
    hardness, floor : as for the online miner
    start : the first step that uses them: a network that knows nothing yet finds nothing hard
    """

    every: Annotated[int, Field(ge=0)] = 0
    pool: Annotated[int, Field(ge=2)] = 20_000
    share: Share = 0.5
    final_share: Share | None = None
    hardness: Share = 1.0
    floor: Annotated[float, Field(ge=0, lt=4)] = 0.0
    start: Annotated[int, Field(ge=0)] = 0


class MiningSection(_Section):
    """Which triplets a step learns from.

    online : the miner inside the batch
    pairs : all anchor-positive pairs, or one random positive for each anchor
    hardness, final_hardness : 0 is semi-hard, 1 the nearest negative there is; moves from the one to the other
        over the run. By default that of the miner
    floor : squared distance below which no negative is taken: nearer ones are often wrong labels
    """

    online: Literal["semi-hard", "batch-hard", "batch-all", "distance-weighted"] = "semi-hard"
    pairs: Literal["all", "one"] = "all"
    hardness: Share | None = None
    final_hardness: Share | None = None
    floor: Annotated[float, Field(ge=0, lt=4)] = 0.0
    offline: OfflineSection = OfflineSection()


class LossSection(_Section):
    """The loss (paper equation 3), or one to compare it with.

    margin, final_margin : alpha, moving from the one to the other over the run
    distance : of the triplet loss: the paper's squared distances, or plain ones
    soft : of the triplet loss: log(1 + exp(.)) instead of max(0, .)
    smoothing : of cross-entropy: label smoothing
    angle : of arcface, in degrees
    scale : of arcface and of distillation's templates: the factor on the cosines
    relations : of distillation: weight of the distances within the batch beside the points themselves
    templates : of distillation: weight of the likeness to everybody's template
    triplets : of distillation: weight of the triplet loss beside the teacher
    """

    name: str = "triplet"
    margin: Annotated[float, Field(gt=0, lt=4)] = 0.2
    final_margin: Annotated[float, Field(gt=0, lt=4)] | None = None
    distance: Literal["squared", "plain"] = "squared"
    soft: bool = False
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    angle: Annotated[float, Field(gt=0, lt=90)] = 28.6
    scale: Annotated[float, Field(gt=0)] = 64.0
    relations: Annotated[float, Field(ge=0)] = 1.0
    templates: Annotated[float, Field(ge=0)] = 0.0
    triplets: Annotated[float, Field(ge=0)] = 0.0


class OptimiserSection(_Section):
    """How weights move. AdaGrad is the paper's choice; muon learns fastest where normalisation follows each layer.

    rate : after `warmup` steps of rising to it
    schedule : 'cosine' falls along half a cosine to `final_share` of the rate, 'constant' stays
    momentum : of sgd and muon
    clip : largest norm of the gradient, 0 for any
    """

    name: Literal["adagrad", "sgd", "adamw", "muon"] = "adagrad"
    rate: Annotated[float, Field(gt=0)] = 0.05
    warmup: Annotated[int, Field(ge=0)] = 0
    schedule: Literal["cosine", "constant"] = "cosine"
    final_share: Share = 1.0
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip: Annotated[float, Field(ge=0)] = 0.0


class CareSection(_Section):
    """What happens when training fails: see `facespace.train.care`.

    window : steps that a sign of failure must last
    tries : times to go back to a good checkpoint before giving up
    ease : factor on the rate each time
    """

    window: Annotated[int, Field(ge=1)] = 20
    tries: Annotated[int, Field(ge=0)] = 5
    ease: Annotated[float, Field(gt=0, lt=1)] = 0.5


class ValidationSection(_Section):
    """Every `every` steps (0 for only at the end) VAL on the validation people; the best checkpoint is kept.

    faces : of them at most so many, drawn once by seed; 0 for all
    """

    every: Annotated[int, Field(ge=0)] = 0
    faces: Annotated[int, Field(ge=0)] = 0


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


class WhiteningSection(_Section):
    """A linear map after the network, found from the training faces when a run is exported.

    For small sets, hundreds of photos: see `facespace.train.whiten`.

    shrinkage : near 0 believes all that the training faces say of how photos of a person vary, 1 half of it
    copies : changed versions of each training face beside the face itself
    mirror : the points are means of a face's and of its mirror image's, from here on: twice the work of embedding
    """

    shrinkage: Annotated[float, Field(gt=0)] = 0.1
    copies: Annotated[int, Field(ge=0, le=100)] = 4
    mirror: bool = False


class Recipe(_Section):
    """Everything that decides what a training run gives."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0)] = 1
    steps: Count
    checkpoint_every: Count = 100
    keep_checkpoints: Count = 3
    precision: Literal["fp32", "bf16"] = "fp32"
    data: DataSection
    network: NetworkSection
    batch: BatchSection
    mining: MiningSection = MiningSection()
    loss: LossSection = LossSection()
    optimiser: OptimiserSection = OptimiserSection()
    augment: AugmentSection = AugmentSection()
    care: CareSection = CareSection()
    validation: ValidationSection = ValidationSection()
    whitening: WhiteningSection | None = None


def read_recipe(path: str | os.PathLike[str], base: Path | None = None) -> Recipe:
    """Read a recipe; its folders are resolved against `base`, or the folder it stands in.

    Raises
    ------
    RecipeError
        No such file, not TOML (with the line), or a key or value that is not valid (with the nearest
        known key).
    """
    path = Path(path)
    try:
        values = read_toml(path)
    except OSError as error:
        raise RecipeError(f"cannot read the recipe {path}: {error.strerror}; check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not TOML: {error}") from None
    recipe = parse_recipe(values, str(path))
    data, base = recipe.data, base or path.parent
    return recipe.model_copy(
        update={
            "data": data.model_copy(
                update={
                    "train": base / data.train,
                    "validation": None if data.validation is None else base / data.validation,
                    "old": None if data.old is None else base / data.old,
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
