"""What a service refused, and why."""

from facespace.errors import FacespaceError
from facespace.schemas import Problem


class ServiceError(FacespaceError):
    """A service did not answer as asked.

    Attributes
    ----------
    problem : Problem or None
        What the service says of it; None where it could not be reached, or what answered is no such service.
    retry_after : float or None
        Seconds until it may be asked again, where it says so.
    """

    def __init__(self, message: str, problem: Problem | None = None, retry_after: float | None = None):
        super().__init__(message)
        self.problem, self.retry_after = problem, retry_after

    @property
    def kind(self) -> str | None:
        """The kind of problem, such as 'no-face'."""
        return self.problem.type.rpartition(":")[2] if self.problem else None
