"""`python -m facespace` is the command line too."""

from facespace.cli import main

main()
