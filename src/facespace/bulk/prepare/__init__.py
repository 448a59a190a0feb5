"""Prepare a folder of people's photos as a training set of aligned faces."""

from facespace.bulk.prepare.dataset import prepare
from facespace.bulk.prepare.records import Prepared
from facespace.bulk.prepare.select import Candidate, Decision

__all__ = ["Candidate", "Decision", "Prepared", "prepare"]
