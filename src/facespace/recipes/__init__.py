"""Ready recipes, TOML files beside this one; `facespace train NAME` takes them by name."""

from pathlib import Path

from facespace.errors import RecipeError
from facespace.validation import nearest_name


def shipped() -> dict[str, Path]:
    """The ready recipes by name."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.toml"))}


def find(name: str) -> Path:
    """The file of a recipe: a path that exists, or the name of a ready one.

    Raises
    ------
    RecipeError
        Neither.
    """
    if Path(name).is_file():
        return Path(name)
    if name in shipped():
        return shipped()[name]
    raise RecipeError(
        f"there is no recipe file {name!r}, and no ready recipe of that name{nearest_name(name, list(shipped()))}"
    )
