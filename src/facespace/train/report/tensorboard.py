"""Optional export of the training history to TensorBoard."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from facespace.errors import FacespaceError


@contextmanager
def writing_to(folder: Path | None) -> Iterator[Callable[[dict[str, float]], None]]:
    """Yield a function to call with each step's record; it does nothing if `folder` is None.

    Raises
    ------
    FacespaceError
        The package tensorboard is not installed.
    """
    if folder is None:
        yield lambda record: None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        raise FacespaceError("writing TensorBoard records needs its package: pip install tensorboard") from None
    writer = SummaryWriter(str(folder))

    def note(record: dict[str, float]) -> None:
        for name, value in record.items():
            if name != "step":
                writer.add_scalar(name, value, int(record["step"]))

    try:
        yield note
    finally:
        writer.close()
