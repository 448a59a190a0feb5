"""Types that pydantic checks, and readable messages for its errors: the key, what is wrong, the nearest known name."""

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, Field, Tag, ValidationError

# A SHA-256 in hexadecimal digits.
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


def explain(error: ValidationError, model: type[BaseModel], removed: Mapping[str, str] | None = None) -> str:
    """Describe a validation error, one line for each problem.

    Parameters
    ----------
    error : ValidationError
    model : type of BaseModel
        The model that was validated; its keys are the candidates for 'did you mean'.
    removed : mapping or None
        Keys that earlier versions had ('section.key'), each with what to do instead.

    Returns
    -------
    str
    """
    return "\n".join(f"  {_line(problem, model, removed or {})}" for problem in error.errors())


def nearest_name(name: str, known: list[str]) -> str:
    """Return '; did you mean X?' for the nearest known name, or the list of known names, to append to a message."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(known)}" if known else ""


def _line(problem: Any, model: type[BaseModel], removed: Mapping[str, str]) -> str:
    kind = problem["type"]
    location, section, choice = _without_tags(problem["loc"], model)
    path = ".".join(location) or "(whole)"
    if kind == "extra_forbidden":
        if path in removed:
            return f"{path}: {removed[path]}"
        known = list(getattr(section, "model_fields", {}))
        of = f" of the {choice}" if choice else ""
        return f"{path}: unknown key{of}{nearest_name(location[-1], known)}"
    if kind == "missing":
        return f"{path}: missing"
    if kind == "union_tag_invalid":
        tags = [tag.strip(" '") for tag in problem["ctx"]["expected_tags"].split(",")]
        return f"{path}.name: there is no {path} {problem['ctx']['tag']!r}{nearest_name(problem['ctx']['tag'], tags)}"
    if kind == "union_tag_not_found":
        return f"{path}: must be a section with a name (it is {_short(problem['input'])})"
    message = problem["msg"].removeprefix("Value error, ")
    # The values of a whole record are too long to be of use.
    return f"{path}: {message}" + (f" (it is {_short(problem['input'])})" if location else "")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _without_tags(location: tuple[int | str, ...], model: type[BaseModel]) -> tuple[list[str], Any, str | None]:
    """Translate pydantic's location into the keys that the user wrote, without the tags of tagged unions.

    Returns
    -------
    keys : the keys of all levels
    section : the (nested) record that holds the last key
    choice : "FIELD 'TAG'" where that record was selected by a tag, else None
    """
    keys: list[str] = []
    current: Any = model
    choice = None
    parts = list(location)
    while parts:
        part = parts.pop(0)
        keys.append(str(part))
        field = getattr(current, "model_fields", {}).get(part)
        if field is None or not parts:
            continue
        members = [field.annotation, *get_args(field.annotation)]
        tagged = {
            mark.tag: get_args(member)[0]
            for member in members
            if get_origin(member) is Annotated
            for mark in get_args(member)[1:]
            if isinstance(mark, Tag)
        }
        choice = None
        if parts[0] in tagged:
            tag = str(parts.pop(0))
            choice, members = f"{part} {tag!r}", [tagged[tag]]
        current = next((m for m in members if isinstance(m, type) and issubclass(m, BaseModel)), current)
    return keys, current, choice
