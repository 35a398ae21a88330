"""Search with the other half: NDCG@10 of each query, where the same digit is what was looked for."""

import csv
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

digits = load_digits()
index = dict(np.load("index.npz"))  # a copy: NpzFile reads anew each time
half = len(digits.target) // 2
discounts = 1 / np.log2(np.arange(2, 12))
with Path("queries.csv").open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["query", "ndcg", "comparisons"])
    for query in range(half, len(digits.target)):
        vector = (digits.data[query] - index["mean"]) @ index["basis"].T
        nearest = np.argsort(((index["vectors"] - vector) ** 2).sum(axis=1), kind="stable")[:10]
        gains = index["labels"][nearest] == digits.target[query]
        writer.writerow([query, float((gains * discounts).sum() / discounts.sum()), len(index["vectors"])])
