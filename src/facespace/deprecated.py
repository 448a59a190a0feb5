"""Old names that keep working for one release, with a DeprecationWarning."""

import warnings
from typing import Any


class Renamed:
    """A read-only attribute under its old name.

    Parameters
    ----------
    new : str
        Name of the attribute that replaces it.
    """

    def __init__(self, new: str):
        self.new = new

    def __set_name__(self, owner: type, name: str) -> None:
        self.__doc__ = f"Old name of `{self.new}`."
        self._old = f"{owner.__name__}.{name}"

    def __get__(self, record: object, owner: type | None = None) -> Any:
        if record is None:
            return self
        warnings.warn(f"{self._old} is now {self.new}", DeprecationWarning, stacklevel=2)
        return getattr(record, self.new)

    def __set__(self, record: object, value: object) -> None:
        raise AttributeError(f"{self._old} is read-only")
