"""Commands that need an optional extra of the package."""

from facespace.errors import FacespaceError


class extra:  # noqa: N801 - reads as a statement: with extra("train")
    """Turn the import error of a missing package into a message that says how to install it."""

    def __init__(self, extra: str):
        self._extra = extra

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("facespace"):
            raise FacespaceError(
                f"this needs the package {error.name}, which is not installed: pip install 'facespace[{self._extra}]'"
            ) from None
