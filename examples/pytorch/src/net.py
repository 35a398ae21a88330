"""A small network, and half of scikit-learn's digits for each purpose."""

import numpy as np
import torch
from sklearn.datasets import load_digits


def network(hidden):
    return torch.nn.Sequential(torch.nn.Linear(64, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 10))


def rows(held_out):
    digits = load_digits()
    chosen = np.flatnonzero((np.arange(len(digits.target)) * 2654435761 % 2**32 < 2**31) == held_out)
    pixels = torch.tensor(digits.data[chosen] / 16, dtype=torch.float32)
    return chosen, pixels, torch.tensor(digits.target[chosen])
