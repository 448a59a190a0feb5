"""The error of the client."""

from facespace.errors import FacespaceError
from facespace.schemas import Problem


class ServiceError(FacespaceError):
    """A service rejected a request or could not be reached.

    Attributes
    ----------
    problem : Problem or None
        The problem details; None if the service could not be reached or is not a facespace service.
    retry_after : float or None
        Seconds to wait before a retry, if the service says so.
    """

    def __init__(self, message: str, problem: Problem | None = None, retry_after: float | None = None):
        super().__init__(message)
        self.problem, self.retry_after = problem, retry_after

    @property
    def kind(self) -> str | None:
        """Kind of problem, such as 'no-face'."""
        return self.problem.type.rpartition(":")[2] if self.problem else None
