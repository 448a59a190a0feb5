"""The command-line interface, `facespace`."""

from facespace.cli.app import app, main

__all__ = ["app", "main"]
