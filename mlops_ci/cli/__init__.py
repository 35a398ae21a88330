"""The command line: the only place that sees settings, commands and adapters together."""

from mlops_ci.cli.main import main

__all__ = ["main"]
