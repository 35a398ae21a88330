"""Watching a new version on live traffic: proofs of harm and of safety that may be looked at any time."""
