"""Readable messages for records that pydantic refuses: the key, what is wrong, the nearest known name."""

import difflib
from typing import Any

from pydantic import BaseModel, ValidationError


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """One line for each problem.

    Parameters
    ----------
    error : ValidationError
    model : type of BaseModel
        What was being read; its keys are the candidates for 'did you mean'.

    Returns
    -------
    str
    """
    return "\n".join(f"  {_line(problem, model)}" for problem in error.errors())


def nearest_name(name: str, known: list[str]) -> str:
    """': did you mean X?' for the nearest known name, else the known names; ready to append to a message."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(known)}" if known else ""


def _line(problem: Any, model: type[BaseModel]) -> str:
    path = ".".join(str(part) for part in problem["loc"]) or "(whole)"
    if problem["type"] == "extra_forbidden":
        known = _keys_beside(problem["loc"], model)
        return f"{path}: unknown key{nearest_name(str(problem['loc'][-1]), known)}"
    if problem["type"] == "missing":
        return f"{path}: missing"
    return f"{path}: {problem['msg'].removeprefix('Value error, ')} (it is {_short(problem['input'])})"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _keys_beside(location: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    """The keys of the (nested) record in which the last part of `location` stands."""
    current: Any = model
    for part in location[:-1]:
        field = getattr(current, "model_fields", {}).get(part)
        if field is None:
            continue
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
        current = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), current)
    return list(getattr(current, "model_fields", {}))
