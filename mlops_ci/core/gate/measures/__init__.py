"""Measures: one metric of both models, row by row, from which the estimate of any subset follows."""
