"""Drift: profiles that merge exactly, and decisions that are both significant and large."""
