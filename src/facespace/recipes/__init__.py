"""Recipes that ship with the package, as TOML files; `facespace train NAME` finds them by name."""

from pathlib import Path

from facespace.errors import RecipeError
from facespace.validation import nearest_name


def shipped() -> dict[str, Path]:
    """Return the built-in recipes by name."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.toml"))}


def find(name: str) -> Path:
    """Find a recipe by path, or by the name of a built-in one.

    Raises
    ------
    RecipeError
        There is neither such a file nor such a built-in recipe.
    """
    if Path(name).is_file():
        return Path(name)
    if name in shipped():
        return shipped()[name]
    raise RecipeError(
        f"there is no recipe file {name!r}, and no built-in recipe of that name{nearest_name(name, list(shipped()))}"
    )
