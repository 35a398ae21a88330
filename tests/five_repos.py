"""Five repositories of different shape, in the manner of DVC's and MLflow's own tutorials.

`text`       DVC's get-started: XML posts, TF-IDF, a forest; the evaluation writes nested metrics only
`scalars`    parameters and metrics, no predictions at all
`monorepo`   a pipeline with `foreach` in a subfolder, one model a region
`tracked`    stages that log a run of their own to MLflow, and keep its id in metrics.json
`torch`      folders and column names as PyTorch projects have them; several classes, JSON lines
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dvc_repo import DvcRepo


@dataclass(frozen=True)
class Shape:
    """A repository's files, and changes to it: `edits` are what its user does by hand for the gate."""

    files: Mapping[str, str]
    data: Callable[[], Mapping[str, str]]
    worse: tuple[str, str, str]
    equal: tuple[str, str, str]
    edits: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    requires: tuple[str, ...] = ()


def _posts() -> dict[str, str]:
    import random

    rng = random.Random(20)
    topic, other = "python pandas numpy list dict".split(), "java spring bean maven class".split()
    rows = []
    for number in range(2_400):
        about = rng.random() < 0.5
        words = [rng.choice(topic if rng.random() < (0.62 if about else 0.38) else other) for _ in range(9)]
        rows.append(f'<row Id="{number}" Title="{" ".join(words)}" Tags="{int(about)}" />')
    return {"data/data.xml": "\n".join(rows) + "\n"}


TEXT = Shape(
    files={
        "requirements.txt": "scikit-learn\npyyaml\n",
        "params.yaml": "prepare:\n  split: 0.5\n  seed: 20170428\n\nfeaturize:\n  max_features: 200\n\ntrain:\n  alpha: 1.0\n",
        "dvc.yaml": """\
stages:
  prepare:
    cmd: python src/prepare.py data/data.xml
    deps: [data/data.xml, src/prepare.py]
    params: [prepare]
    outs: [data/prepared]
  featurize:
    cmd: python src/featurization.py data/prepared data/features
    deps: [data/prepared, src/featurization.py]
    params: [featurize]
    outs: [data/features]
  train:
    cmd: python src/train.py data/features model.pkl
    deps: [data/features, src/train.py]
    params: [train]
    outs: [model.pkl]
  evaluate:
    cmd: python src/evaluate.py model.pkl data/features
    deps: [data/features, model.pkl, src/evaluate.py]
    outs: [eval]
metrics: [eval/metrics.json]
""",
        "src/prepare.py": """\
import random, re, sys
from pathlib import Path
import yaml

params = yaml.safe_load(open("params.yaml"))["prepare"]
random.seed(params["seed"])
out = Path("data/prepared")
out.mkdir(parents=True, exist_ok=True)
with open(out / "train.tsv", "w") as train, open(out / "test.tsv", "w") as test:
    for line in open(sys.argv[1]):
        number, title, tag = re.findall(r'"([^"]*)"', line)
        (test if random.random() < params["split"] else train).write(f"{number}\\t{tag}\\t{title}\\n")
""",
        "src/featurization.py": """\
import pickle, sys
from pathlib import Path
import yaml
from sklearn.feature_extraction.text import TfidfVectorizer

size = yaml.safe_load(open("params.yaml"))["featurize"]["max_features"]
out = Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)
rows = {name: [line.rstrip("\\n").split("\\t") for line in open(Path(sys.argv[1]) / f"{name}.tsv")] for name in ("train", "test")}
bags = TfidfVectorizer(max_features=size).fit([row[2] for row in rows["train"]])
for name, some in rows.items():
    with open(out / f"{name}.pkl", "wb") as file:
        pickle.dump(([row[0] for row in some], [int(row[1]) for row in some], bags.transform([row[2] for row in some])), file)
""",
        "src/train.py": """\
import pickle, sys
from pathlib import Path
import yaml
from sklearn.naive_bayes import MultinomialNB

_, labels, matrix = pickle.load(open(Path(sys.argv[1]) / "train.pkl", "rb"))
model = MultinomialNB(alpha=yaml.safe_load(open("params.yaml"))["train"]["alpha"]).fit(matrix, labels)
pickle.dump(model, open(sys.argv[2], "wb"))
""",
        "src/evaluate.py": """\
import json, pickle, sys
from pathlib import Path
from sklearn import metrics

model = pickle.load(open(sys.argv[1], "rb"))
scores = {"avg_prec": {}, "roc_auc": {}}
Path("eval").mkdir(exist_ok=True)
for name in ("train", "test"):
    ids, labels, matrix = pickle.load(open(Path(sys.argv[2]) / f"{name}.pkl", "rb"))
    score = model.predict_proba(matrix)[:, 1]
    scores["avg_prec"][name] = metrics.average_precision_score(labels, score)
    scores["roc_auc"][name] = metrics.roc_auc_score(labels, score)
json.dump(scores, open("eval/metrics.json", "w"))
""",
    },
    data=_posts,
    # What `init` shows, with this project's names: three lines, and an output of its own.
    edits={
        "src/evaluate.py": (
            'json.dump(scores, open("eval/metrics.json", "w"))\n',
            'json.dump(scores, open("eval/metrics.json", "w"))\n'
            "import pandas as pd\n"
            'predictions = {"id": ids, "y_true": labels, "y_pred": model.predict(matrix)}\n'
            'pd.DataFrame(predictions).to_csv("reports.csv", index=False)\n',
        ),
        "dvc.yaml": ("outs: [eval]\n", "outs: [eval, reports.csv]\n"),
    },
    worse=("params.yaml", "max_features: 200", "max_features: 2"),
    equal=("params.yaml", "alpha: 1.0", "alpha: 1.1"),
)


def _points(name: str, seed: int, rows: int = 900) -> dict[str, str]:
    import random

    rng = random.Random(seed)
    lines = ["row_id,amount,region,churned"]
    for number in range(rows):
        amount = rng.random()
        lines.append(
            f"{number},{amount:.4f},{rng.choice('ns')},{int((amount > 0.5) != (rng.random() < 0.1))}"
        )
    return {name: "\n".join(lines) + "\n"}


SCALARS = Shape(
    files={
        "requirements.txt": "pyyaml\n",
        "params.yaml": "cut: 0.5\nround: 4\n",
        "dvc.yaml": """\
stages:
  train:
    cmd: python train.py
    deps: [train.py, data.csv]
    params: [cut, round]
    outs: [model.json]
    metrics:
      - scores.json:
          cache: false
""",
        "train.py": """\
import csv, json, yaml

params = yaml.safe_load(open("params.yaml"))
rows = list(csv.DictReader(open("data.csv")))
right = [(float(row["amount"]) > params["cut"]) == (row["churned"] == "1") for row in rows]
json.dump(params, open("model.json", "w"))
acc = sum(right) / len(right)
json.dump({"train": {"acc": 1.0}, "test": {"acc": acc, "error_rate": 1 - acc, "seconds": 0.1}}, open("scores.json", "w"))
""",
    },
    data=lambda: _points("data.csv", 1),
    worse=("params.yaml", "cut: 0.5", "cut: 0.7"),
    equal=("params.yaml", "round: 4", "round: 5"),
)

MONOREPO = Shape(
    files={
        "README.md": "Many things live here.\n",
        "requirements.txt": "pyyaml\n",
        "services/web/app.py": "print('web')\n",
        "models/churn/params.yaml": "regions:\n  eu: {cut: 0.5}\n  us: {cut: 0.5}\n",
        "models/churn/dvc.yaml": """\
stages:
  train:
    foreach: ${regions}
    do:
      cmd: python train.py ${key} ${item.cut}
      deps: [train.py, 'data/${key}.csv']
      outs: ['out/${key}/model.json']
  evaluate:
    foreach: ${regions}
    do:
      cmd: python evaluate.py ${key}
      deps: [evaluate.py, 'data/${key}.csv', 'out/${key}/model.json']
      outs: ['out/${key}/scored.csv']
""",
        "models/churn/train.py": """\
import json, os, sys

os.makedirs(f"out/{sys.argv[1]}", exist_ok=True)
json.dump({"cut": float(sys.argv[2])}, open(f"out/{sys.argv[1]}/model.json", "w"))
""",
        "models/churn/evaluate.py": """\
import csv, json, sys

cut = json.load(open(f"out/{sys.argv[1]}/model.json"))["cut"]
with open(f"out/{sys.argv[1]}/scored.csv", "w", newline="") as out:
    writer = csv.writer(out)
    writer.writerow(["row_id", "region", "actual", "predicted"])
    for row in csv.DictReader(open(f"data/{sys.argv[1]}.csv")):
        writer.writerow([row["row_id"], row["region"], row["churned"], int(float(row["amount"]) > cut)])
""",
    },
    data=lambda: {**_points("models/churn/data/eu.csv", 2), **_points("models/churn/data/us.csv", 3)},
    worse=("models/churn/params.yaml", "us: {cut: 0.5}", "us: {cut: 0.7}"),
    equal=("models/churn/params.yaml", "us: {cut: 0.5}", "us: {cut: 0.501}"),
)

TRACKED = Shape(
    files={
        "requirements.txt": "mlflow\n",
        "params.yaml": "cut: 0.5\n",
        "MLproject": "name: churn\nentry_points:\n  main:\n    command: python train.py\n",
        "dvc.yaml": """\
stages:
  train:
    cmd: python train.py
    deps: [train.py, data.csv]
    params: [cut]
    outs: [model.json, predictions.csv]
    metrics: [metrics.json]
""",
        "train.py": """\
import csv, json
import mlflow, yaml

cut = yaml.safe_load(open("params.yaml"))["cut"]
mlflow.set_experiment("churn")
with mlflow.start_run() as run:
    rows = list(csv.DictReader(open("data.csv")))
    json.dump({"cut": cut}, open("model.json", "w"))
    with open("predictions.csv", "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["row_id", "label", "prediction"])
        for row in rows:
            writer.writerow([row["row_id"], row["churned"], int(float(row["amount"]) > cut)])
    accuracy = sum((float(row["amount"]) > cut) == (row["churned"] == "1") for row in rows) / len(rows)
    mlflow.log_param("cut", cut)
    mlflow.log_metric("accuracy", accuracy)
    mlflow.log_artifact("model.json", "model")
    json.dump({"accuracy": accuracy, "run_id": run.info.run_id}, open("metrics.json", "w"))
# later, by hand: mlflow.register_model(f"runs:/{run.info.run_id}/model", "churn-detector")
""",
    },
    data=lambda: _points("data.csv", 4),
    worse=("params.yaml", "cut: 0.5", "cut: 0.7"),
    equal=("params.yaml", "cut: 0.5", "cut: 0.501"),
    requires=("mlflow",),
)


def _three_classes() -> dict[str, str]:
    import random

    rng = random.Random(5)
    lines = ["name,split,x,y,digit"]
    for number in range(1_500):
        digit = rng.randrange(3)
        x, y = rng.gauss((0, 3, 0)[digit], 1), rng.gauss((0, 0, 3)[digit], 1)
        lines.append(f"img_{number:05}.png,{'train' if number % 3 else 'test'},{x:.3f},{y:.3f},{digit}")
    return {"data/points.csv": "\n".join(lines) + "\n"}


TORCH = Shape(
    files={
        "pyproject.toml": '[project]\nname = "digits-net"\nversion = "0"\nrequires-python = ">=3.12"\n',
        "conf/config.yaml": "optim:\n  lr: 0.05\n  epochs: 8\n",
        "dvc.yaml": """\
stages:
  fit:
    cmd: python -m digits_net.fit
    deps: [digits_net, data/points.csv]
    params:
      - conf/config.yaml:
    outs: [outputs/checkpoints/best.pt]
  test:
    cmd: python -m digits_net.test
    deps: [digits_net, data/points.csv, outputs/checkpoints/best.pt]
    outs: [outputs/preds.jsonl]
    metrics: [outputs/metrics.json]
""",
        "digits_net/__init__.py": "",
        "digits_net/net.py": """\
def device():
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def softmax(scores):
    import math

    top = max(scores)
    powers = [math.exp(score - top) for score in scores]
    return [power / sum(powers) for power in powers]
""",
        "digits_net/fit.py": """\
import csv, json, random
from pathlib import Path
import yaml
from digits_net.net import softmax

config = yaml.safe_load(open("conf/config.yaml"))["optim"]
rows = [row for row in csv.DictReader(open("data/points.csv")) if row["split"] == "train"]
weights = [[0.0, 0.0, 0.0] for _ in range(3)]
rng = random.Random(0)
for _ in range(config["epochs"]):
    rng.shuffle(rows)
    for row in rows:
        x = [float(row["x"]), float(row["y"]), 1.0]
        p = softmax([sum(w * v for w, v in zip(line, x)) for line in weights])
        for k, line in enumerate(weights):
            for i in range(3):
                line[i] -= config["lr"] * (p[k] - (k == int(row["digit"]))) * x[i]
Path("outputs/checkpoints").mkdir(parents=True, exist_ok=True)
json.dump(weights, open("outputs/checkpoints/best.pt", "w"))
""",
        "digits_net/test.py": """\
import csv, json
from digits_net.net import softmax

weights = json.load(open("outputs/checkpoints/best.pt"))
right = total = 0
with open("outputs/preds.jsonl", "w") as out:
    for row in csv.DictReader(open("data/points.csv")):
        if row["split"] == "test":
            x = [float(row["x"]), float(row["y"]), 1.0]
            p = softmax([sum(w * v for w, v in zip(line, x)) for line in weights])
            pred = p.index(max(p))
            right, total = right + (pred == int(row["digit"])), total + 1
            out.write(json.dumps({"filename": row["name"], "label": int(row["digit"]), "pred": pred, "confidence": max(p)}) + "\\n")
json.dump({"test": {"acc": right / total}}, open("outputs/metrics.json", "w"))
""",
    },
    data=_three_classes,
    worse=("conf/config.yaml", "epochs: 8", "epochs: 0"),
    equal=("conf/config.yaml", "lr: 0.05", "lr: 0.051"),
)


SHAPES = {"text": TEXT, "scalars": SCALARS, "monorepo": MONOREPO, "tracked": TRACKED, "torch": TORCH}


def make(shape: Shape, folder: Path) -> DvcRepo:
    """Make a repository with its data in git, a DVC project, a remote beside it and a bare origin; nothing is run."""
    repo = DvcRepo(folder / "work")
    repo.root.mkdir(parents=True)
    (folder / "remote").mkdir()
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder / "origin.git")], check=True)
    repo.git("init", "-q", "-b", "main")
    repo.git("config", "user.email", "ada@example.org")
    repo.git("config", "user.name", "Ada")
    repo.git("remote", "add", "origin", "../origin.git")
    for path, text in {**shape.files, **shape.data()}.items():
        repo.write(path, text)
    repo.write(".dvc/config", "[core]\n    remote = store\n['remote \"store\"']\n    url = ../../remote\n")
    repo.write(".dvc/.gitignore", "/config.local\n/tmp\n/cache\n")
    repo.write(".gitignore", "__pycache__/\n")
    settle(repo, "A pipeline")
    return repo


def settle(repo: DvcRepo, message: str) -> None:
    """Commit to main, and push."""
    repo.commit(message)
    repo.push()
    repo.git("fetch", "-q", "origin")
