"""A folder of people's photos to a training set of aligned faces."""

from facespace.bulk.prepare.dataset import Prepared, prepare
from facespace.bulk.prepare.select import Candidate, Decision

__all__ = ["Candidate", "Decision", "Prepared", "prepare"]
