"""The command line: the only place that sees settings, commands and adapters together."""
