"""`python -m facespace` is the command line too."""

from facespace.cli.main import main

main()
