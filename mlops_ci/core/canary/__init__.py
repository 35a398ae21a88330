"""Canary statistics: sequential tests of harm and of safety, valid at every look."""
