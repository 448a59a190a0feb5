"""The command-line interface, `facespace`."""

from facespace.cli.app import app
from facespace.cli.main import main

__all__ = ["app", "main"]
