"""A merge gate for models: reproduce, compare with the champion on the same rows, report, block."""

__version__ = "0.1.0"
