"""The command line door."""

from facespace.cli.app import app, main

__all__ = ["app", "main"]
