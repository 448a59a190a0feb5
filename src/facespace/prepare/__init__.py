"""Prepare a folder of people's photos as a training set of aligned faces."""

from facespace.prepare.dataset import Prepared, prepare
from facespace.prepare.select import Candidate, Decision

__all__ = ["Candidate", "Decision", "Prepared", "prepare"]
