"""The outside world, one file each, behind the Protocols of ``ports``."""
