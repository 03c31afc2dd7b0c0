"""Lets `python -m widgetsvc` stand in for the installed command."""

from widgetsvc.cli import main

main()
