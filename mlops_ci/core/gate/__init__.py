"""The gate's statistics: from two evaluations and a policy to a verdict (enter at `compare`)."""
