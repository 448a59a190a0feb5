"""A training recipe: plain data in TOML, checked before anything starts."""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from facespace.errors import RecipeError
from facespace.textfile import BACKSLASHES, read_toml
from facespace.validation import explain

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Margin = Annotated[float, Field(gt=0, lt=4)]
Weight = Annotated[float, Field(ge=0)]

# Keys of earlier versions, and what to do about them.
_REMOVED = {
    "data.offset": "this option was removed: aligned faces have their template in the middle. Delete the key; faces "
    "that were aligned by other landmarks must be aligned again: facespace prepare",
}


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
    unnamed : more faces of the same kind without names, each a person of its own in the table; for distillation, which
        needs no names. How many of them a batch has: `singles` of [batch]
    validation : another such folder with other people, on whom thresholds and calibration are measured
    validation_people : or, how many people of `train` to set aside for that
    old : a model file whose points the new network's are to be comparable with (loss 'harmonic'); without it the
        teacher's embeddings beside the faces stand for the old space
    label_limit : squared distance from their person's mean, by the teacher, beyond which faces count as wrongly named:
        they get a person of their own, so that only distillation sees them. None keeps every name
    description, licence, terms : what the model card will say of the data
    """

    train: Folder
    unnamed: Folder | None = None
    label_limit: Annotated[float, Field(gt=0, le=4)] | None = None
    validation: Folder | None = None
    validation_people: Annotated[int, Field(ge=0)] = 0
    old: Folder | None = None
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

    singles : how many faces of people with a single photo each batch has beside them; they are negatives and, in
        distillation, faces like any other

    chunk : 0, or how many faces go through the network at a time; the step is that of the whole batch all the
        same (gradient caching), in the memory of a chunk and a third more time
    """

    people: Annotated[int, Field(ge=2)]
    photos: Annotated[int, Field(ge=2)]
    singles: Annotated[int, Field(ge=0)] = 0
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


class _LossSection(_Section):
    """A loss, which may learn from triplets."""

    @property
    def mines(self) -> bool:
        """Whether it learns from triplets: then [mining] says which."""
        return False


class _MarginSection(_LossSection):
    """A loss with a margin: alpha, moving from `margin` to `final_margin` over the run."""

    margin: Margin = 0.2
    final_margin: Margin | None = None


class TripletSection(_MarginSection):
    """The triplet loss (paper equation 3).

    distance : the paper's squared distances, or plain ones
    soft : log(1 + exp(.)) instead of max(0, .)
    """

    name: Literal["triplet"] = "triplet"
    distance: Literal["squared", "plain"] = "squared"
    soft: bool = False

    @property
    def mines(self) -> bool:
        """Whether it learns from triplets."""
        return True


class HarmonicSection(_MarginSection):
    """The triplet loss over new points and those of an old space (paper appendix A)."""

    name: Literal["harmonic"]

    @property
    def mines(self) -> bool:
        """Whether it learns from triplets."""
        return True


class DistillationSection(_MarginSection):
    """Imitation of a teacher, whose embeddings stand beside the faces.

    relations : weight of the distances within the batch beside the points themselves
    templates : weight of the similarity to the templates of all training people
    scale : factor on the cosines with these templates
    triplets : weight of the triplet loss beside the teacher; `margin` and [mining] are those of its triplets
    """

    name: Literal["distillation"]
    relations: Weight = 1.0
    templates: Weight = 0.0
    scale: Annotated[float, Field(gt=0)] = 64.0
    triplets: Weight = 0.0

    @property
    def mines(self) -> bool:
        """Whether it learns from triplets."""
        return self.triplets > 0


class ContrastiveSection(_LossSection):
    """The contrastive loss: people are pushed apart up to the squared distance `margin`."""

    name: Literal["contrastive"]
    margin: Margin = 0.2


class ArcfaceSection(_LossSection):
    """ArcFace: an angular margin of `angle` degrees; `scale` is the factor on the cosines."""

    name: Literal["arcface"]
    angle: Annotated[float, Field(gt=0, lt=90)] = 28.6
    scale: Annotated[float, Field(gt=0)] = 64.0


class CrossEntropySection(_LossSection):
    """A classifier over the training people; `smoothing` is that of the labels."""

    name: Literal["cross-entropy"]
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0


def _loss_name(section: object) -> object:
    """What tells the sections of losses apart; a section without a name is that of the triplet loss."""
    if isinstance(section, dict):
        return section.get("name", "triplet")
    return getattr(section, "name", None)


LOSS_SECTIONS: dict[str, type[_LossSection]] = {
    "triplet": TripletSection,
    "harmonic": HarmonicSection,
    "distillation": DistillationSection,
    "contrastive": ContrastiveSection,
    "arcface": ArcfaceSection,
    "cross-entropy": CrossEntropySection,
}

# One section for each loss: an option that another loss has is refused.
LossSection = Annotated[
    Annotated[TripletSection, Tag("triplet")]
    | Annotated[HarmonicSection, Tag("harmonic")]
    | Annotated[DistillationSection, Tag("distillation")]
    | Annotated[ContrastiveSection, Tag("contrastive")]
    | Annotated[ArcfaceSection, Tag("arcface")]
    | Annotated[CrossEntropySection, Tag("cross-entropy")],
    Discriminator(_loss_name),
]


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
    """What happens when training fails: see `facespace.train.engine.watchdog`.

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
    grey : chance to take all colour away
    turn : largest share by which the face is narrowed or widened, as by a head that turns
    frame : chance that one to three sides lie beyond the edge of the photo, up to 35 % of the face deep, at any slight
        angle: black mostly, else of one colour
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
    grey: Share = 0.0
    turn: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    frame: Share = 0.0
    erase: Share = 0.0
    blur: Share = 0.0
    low_resolution: Share = 0.0
    jpeg: Share = 0.0


class WhiteningSection(_Section):
    """A linear map after the network, found from the training faces when a run is exported.

    For small sets, hundreds of photos: see `facespace.train.export.whitening`.

    shrinkage : near 0 believes all that the training faces say of how photos of a person vary, 1 half of it
    copies : changed versions of each training face beside the face itself
    mirror : the points are means of a face's and of its mirror image's, from here on: twice the work of embedding
    """

    shrinkage: Annotated[float, Field(gt=0)] = 0.1
    copies: Annotated[int, Field(ge=0, le=100)] = 4
    mirror: bool = False


class Recipe(_Section):
    """Everything that decides what a training run gives.

    precision : 'bf16' runs the network in bfloat16, 'auto' does so where the device computes in it natively
    compile : translate the network's training step to machine code first (torch.compile, which needs a C++ compiler):
        a minute at the start, then about a third faster on a CPU
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0)] = 1
    steps: Count
    checkpoint_every: Count = 100
    compile: bool = False
    keep_checkpoints: Count = 3
    precision: Literal["auto", "fp32", "bf16"] = "fp32"
    data: DataSection
    network: NetworkSection
    batch: BatchSection
    mining: MiningSection = MiningSection()
    loss: LossSection = TripletSection()
    optimiser: OptimiserSection = OptimiserSection()
    augment: AugmentSection = AugmentSection()
    care: CareSection = CareSection()
    validation: ValidationSection = ValidationSection()
    whitening: WhiteningSection | None = None

    @model_validator(mode="after")
    def _mining_is_used(self) -> "Recipe":
        if not self.loss.mines and self.mining != MiningSection():
            weight = "; give it triplets with loss.triplets" if self.loss.name == "distillation" else ""
            raise ValueError(
                f"[mining] chooses triplets, and the loss {self.loss.name!r} as set here has none: remove the "
                f"section{weight}"
            )
        return self


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
                    "unnamed": None if data.unnamed is None else base / data.unnamed,
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
        raise RecipeError(f"the recipe {where} is not valid:\n{explain(error, Recipe, _REMOVED)}") from None
