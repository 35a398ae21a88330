"""Half of scikit-learn's digits for training, half as the holdout."""

from sklearn.datasets import load_digits


def rows(held_out):
    digits = load_digits()
    chosen = [
        number for number in range(len(digits.target)) if (number * 2654435761 % 2**32 < 2**31) == held_out
    ]
    return chosen, digits.data[chosen], digits.target[chosen]
