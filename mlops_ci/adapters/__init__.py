"""Adapters: everything outside this process, each behind one of the Protocols in ``ports``."""
