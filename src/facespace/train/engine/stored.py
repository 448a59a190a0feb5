"""Recipes stored in checkpoints, including those of earlier versions whose keys have changed."""

from pathlib import Path
from typing import Any

from facespace.errors import DataError
from facespace.train.engine.checkpoint import Checkpoint
from facespace.train.recipe import DATA_PATHS, LOSS_SECTIONS, Recipe, parse_recipe, with_new_names

# Keys that may change when a run is resumed; a change of precision gives a warning.
_FREE = {"steps", "checkpoint_every", "keep_checkpoints", "precision"}
_PATHS = (*(("data", key) for key in DATA_PATHS), ("network", "start"))


def stored_recipe(checkpoint: Checkpoint, run: Path) -> Recipe:
    """Return the recipe stored in a checkpoint.

    Earlier versions stored every option of every loss, and `data.offset`; both are dropped here. Renamed keys get their
    new names, without a warning.

    Raises
    ------
    RecipeError
        The stored recipe is not valid in this version or an earlier one.
    """
    values = {key: dict(value) if isinstance(value, dict) else value for key, value in checkpoint.recipe.items()}
    values.get("data", {}).pop("offset", None)
    loss = values.get("loss", {})
    section = LOSS_SECTIONS.get(loss.get("name", "triplet"))
    if section is not None:
        values["loss"] = {key: value for key, value in loss.items() if key in section.model_fields}
        if not section.model_validate(values["loss"]).mines:
            # Earlier versions ignored it.
            values.pop("mining", None)
    return parse_recipe(with_new_names(values)[0], f"of {run}")


def used_offset(checkpoint: Checkpoint) -> bool:
    """Return whether a checkpoint's run was trained with `data.offset`, an option that was removed."""
    return any(checkpoint.recipe["data"].get("offset", ()))


def without_folders(recipe: dict[str, Any]) -> dict[str, Any]:
    """Replace each path of a recipe by its last part, so that it can be published without private folder names."""
    public = {**recipe, "data": dict(recipe["data"]), "network": dict(recipe["network"])}
    for section, key in _PATHS:
        public[section][key] = _names(public[section].get(key))
    return public


def recipe_as_trained(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return a checkpoint's recipe for publication, without folders and with the precision that was used."""
    recipe = without_folders(checkpoint.recipe)
    return {**recipe, "precision": precision_of(checkpoint)}


def precision_of(checkpoint: Checkpoint) -> str:
    """Return the precision that a checkpoint was trained in: 'fp32' or 'bf16'."""
    return str(checkpoint.extra.get("precision", checkpoint.recipe.get("precision", "fp32")))


def check_same_recipe(checkpoint: Checkpoint, run: Path, now: Recipe) -> None:
    """Check that a run is resumed with its own recipe.

    The number of steps, the checkpoints and the precision may change, and the data may have moved to another folder.

    Raises
    ------
    DataError
        The recipe has changed; the message names the keys and their values.
    """
    before = without_folders(stored_recipe(checkpoint, run).model_dump(mode="json"))
    if used_offset(checkpoint):
        before["data"]["offset"] = tuple(checkpoint.recipe["data"]["offset"])
    refuse_changes(before, without_folders(now.model_dump(mode="json")))


def refuse_changes(recipe: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse to resume with another recipe than the one a run began with; both without folders.

    Raises
    ------
    DataError
        The recipe has changed; the message names the keys and their values.
    """
    before, wanted = _flat(recipe), _flat(now)
    changed = [
        f"{key}: {_value(before.get(key))} then, {_value(wanted.get(key))} now"
        for key in sorted({*before, *wanted} - _FREE)
        if before.get(key) != wanted.get(key)
    ]
    if changed:
        raise DataError(
            f"the recipe has changed since this run began ({'; '.join(changed)}); resume with the original "
            "recipe, or start a new run"
        )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _value(value: object) -> str:
    return "not set" if value is None else str(value)


def _names(path: Any) -> Any:
    if isinstance(path, list | tuple):
        return [_names(one) for one in path]
    return None if path is None else Path(path).name
