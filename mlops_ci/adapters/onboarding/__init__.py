"""Inspecting a repository and its services for `init` and `doctor`."""
