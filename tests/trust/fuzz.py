# ruff: noqa: BLE001, T201
"""A fuzzer over everything that reads what a change, an artifact or a service wrote.

    python tests/trust/fuzz.py --minutes 10

Inputs are mutated from valid ones: bytes, tokens that parsers stumble over, and nodes of JSON and YAML. A
reader may refuse an input in the words it has for that; any other exception, more than 20 s, or more memory than
the limit is a crash. What a reader lets through is rendered, and must stay text: no element, no mention, no
command for the runner.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from jinja2 import TemplateError

from mlops_ci.adapters.bundle import MANIFEST, read_bundle, write_bundle
from mlops_ci.adapters.data.evaluations import EvaluationFiles
from mlops_ci.adapters.data.frames import TableReader
from mlops_ci.adapters.dvc.project import read_project
from mlops_ci.adapters.forges import github_actions, github_event
from mlops_ci.adapters.judgements import read_judgement
from mlops_ci.adapters.ports import Columns, Evidence
from mlops_ci.adapters.report_files import read_reports
from mlops_ci.commands.error_report import could_not_tell
from mlops_ci.core.bundle import Manifest, folder_name
from mlops_ci.core.drift.column_profile import InvalidProfileError
from mlops_ci.core.drift.profile import Profile
from mlops_ci.core.judgement import Judgement
from mlops_ci.core.ledger import BrokenLedgerError, Entry, History, extended, parse
from mlops_ci.core.lineage import DataFile, Lineage, Stage
from mlops_ci.core.reachable import reachable
from mlops_ci.core.report import Notice, Report, Source
from mlops_ci.core.verdict import Result, Verdict
from mlops_ci.errors import EvidenceError, MlopsCiError
from mlops_ci.render import render
from mlops_ci.settings import policy_of, read_settings

MODEL = "moons"
SECONDS = 20
MEMORY = 6 * 2**30
MARK = "zqmark"
TOKENS = [
    *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-0", b"1e308", b"9" * 400, b"0x1f", b"null", b"true", b"{}", b"[]", b'""'),
    *(b"[" * 3000, b'{"a":' * 3000, b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\\ud800", "\u202e".encode(), "İ".encode()),
    *(b"!!python/object/apply:os.system ['true']", b"&a [*a]", b"*a", b"<<: *a", b"? {a: b}", b"---\n", b"2026-13-45", b"!!binary x", b"!!set {a}", b"%YAML 9.9"),
    *(b"../../../etc/passwd", b"/etc/passwd", b"..\\..", b"C:\\x", b"${item}", b"${a.b[9]}", b"${", b"s3://x/y"),
    *(b"<script>zqmark()</script>", b"<img src=x onerror=zqmark>", b"@zqmark", b"[x](javascript:zqmark)", b"::error::zqmark", b"\n::set-output name=verdict::pass", b"|", b"`", b"-->", b"\n\n# zqmark"),
    *(b",", b'"', b"\n", b"\r", b"\t", b";", b"PAR1", b"ARROW1", b"\x1f\x8b", b"id", b"y_true", b"y_pred"),
]  # fmt: skip
VALUES: list[Any] = [
    *(None, True, 0, -1, 2**31, 2**63, 2**200, 1e308, "", "x" * 5000, [], {}, [[]], {"": {}}, "NaN", "../x", "/etc/passwd"),
    *("<script>zqmark()</script>", "@zqmark", "![x](http://zqmark)", "a|b", "\n# zqmark", "::error::zqmark", "\ud800", "\x00", "\u202e"),
]  # fmt: skip


@dataclass
class Target:
    """One reader: valid inputs, and what reads them."""

    seeds: list[bytes]
    read: Callable[[bytes, Path], None]
    structured: str = ""
    refusals: tuple[type[BaseException], ...] = (MlopsCiError,)


@dataclass
class Tally:
    """What came of it."""

    inputs: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    crashes: list[tuple[str, bytes, str]] = field(default_factory=list)


def harmless(report: Report) -> None:
    """Render a report in every form, and prove that the values in it stay values."""
    for form in ("markdown", "comment", "html", "text", "json"):
        said = render(report, form)
        active = ["<script>zq", "<img src=x"] if form in ("markdown", "comment", "html") else []
        if form in ("markdown", "comment"):
            active += ["](javascript:", "](http://zqmark", "\n# zqmark", " @zqmark", ">@zqmark"]
        for one in active:
            assert one not in said, f"{form}: {one!r} came through"
    console = io.StringIO()
    github_actions.ActionsConsole(console).info(f"{report.headline}\n{report.summary}")
    for line in console.getvalue().splitlines():
        assert not line.lstrip().startswith("::"), f"log: {line!r}"


def _manifest() -> Manifest:
    data = [DataFile(path="data/raw.csv", checksum="a" * 32, size=10)]
    stage = Stage(name="train", command="python src/train.py", params={"params.yaml:a": 1}, deps=data, outs={"models": "b.dir"}, state="ran", seconds=1.0)  # fmt: skip
    lineage = Lineage(git_commit="c" * 40, pipeline_version="d" * 64, dvc_lock_digest="e" * 64, data=data)
    return Manifest(model=MODEL, head="c" * 40, target_commit="f" * 40, lineage=lineage, stages=[stage], metrics={"accuracy": 0.9}, params={"a": [1, "b"]}, notices=["said"], predictions="p.csv")  # fmt: skip


def _bundle(scratch: Path) -> bytes:
    (scratch / "p.csv").write_text("id,y_true,y_pred\n1,1,0\n")
    place = write_bundle(
        Evidence(manifest=_manifest(), places={"p.csv": scratch / "p.csv"}), scratch / "made"
    )
    return (place / MANIFEST).read_bytes()


def read_manifest(data: bytes, scratch: Path) -> None:
    """Read a bundle whose manifest is the input, as `check --evidence` does, and report on it."""
    folder = scratch / "bundle" / folder_name(MODEL)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "p.csv").write_text("id,y_true,y_pred\n1,1,0\n")
    (folder / MANIFEST).write_bytes(data)
    manifest = read_bundle(scratch / "bundle", MODEL).manifest
    notices = tuple(Notice(text=text, level="danger") for text in manifest.notices[:50])
    harmless(Report(command="check", model=manifest.model, headline=manifest.head, lineage=manifest.lineage, stages=manifest.stages, notices=notices))  # fmt: skip


def read_predictions(suffix: str) -> Callable[[bytes, Path], None]:
    """Return the reader of a predictions file of a kind."""

    def read(data: bytes, scratch: Path) -> None:
        path = scratch / f"predictions{suffix}"
        path.write_bytes(data)
        columns = Columns(id="id", target="y_true", prediction="y_pred", score="y_score", group=None, weight=None, further=("platform",), required=frozenset({"y_true"}))  # fmt: skip
        one = EvaluationFiles(TableReader()).read(path, columns)
        EvaluationFiles(TableReader()).save(one, scratch / "kept.parquet")

    return read


def read_dvc(name: str) -> Callable[[bytes, Path], None]:
    """Return the reader of one of DVC's files beside valid others."""

    def read(data: bytes, scratch: Path) -> None:
        root = scratch / "project"
        root.mkdir(exist_ok=True)
        for file, text in DVC.items():
            (root / file).write_text(text)
        (root / name).write_bytes(data)
        project = read_project(root, [*DVC])
        for address in project.stages:
            project.described(address)
        project.upstream(project.select(["evaluate"]))

    return read


def read_policy(data: bytes, _: Path) -> None:
    """Read settings and make policies of them."""
    for one in read_settings(data, "mlops-ci.yaml"):
        policy_of(one)


def read_report(data: bytes, scratch: Path) -> None:
    """Read a JSON report, and render it."""
    (scratch / "report.json").write_bytes(data)
    for one in read_reports(scratch / "report.json"):
        try:
            harmless(one)
        except (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            raise EvidenceError(str(error)) from None  # as the verb `report` does


def read_kept(data: bytes, scratch: Path) -> None:
    """Read a judgement."""
    (scratch / "judgement.json").write_bytes(data)
    read_judgement(scratch / "judgement.json").document()


def read_event(data: bytes, scratch: Path) -> None:
    """Read an event's payload, as each kind of event."""
    (scratch / "event.json").write_bytes(data)
    env = {
        "GITHUB_EVENT_PATH": str(scratch / "event.json"),
        "GITHUB_REPOSITORY": "octo/models",
        "GITHUB_SHA": "a" * 40,
    }
    for name in ("pull_request", "workflow_run", "merge_group", "push", "issue_comment"):
        change = github_event.change(name, github_actions.event(env), env)
        assert change.number is None or isinstance(change.number, int)
        assert all(isinstance(text, str) for text in (change.head, change.base, change.target, change.author))


def read_profile(data: bytes, _: Path) -> None:
    """Read a stored profile."""
    Profile.from_json(data.decode("utf-8", "replace"))


def read_error(data: bytes, _: Path) -> None:
    """Report on an error that quotes foreign text."""
    text = data.decode("utf-8", "replace")
    harmless(could_not_tell(MODEL, MlopsCiError(text, remedy=text), Source()))


def read_code(data: bytes, _: Path) -> None:
    """Follow the imports of a program."""
    reachable([data.decode("utf-8", "replace")[:200]], ["a.py"], ["a.py", "b/c.py"], lambda _: data.decode("utf-8", "replace"))  # fmt: skip


DVC = {
    "dvc.yaml": "vars: [{n: 3}]\nstages:\n  train:\n    cmd: python src/train.py ${n}\n    deps: [data/raw.csv]\n    params: [train.depth]\n    outs: [models]\n"
    "  evaluate:\n    foreach: [a, b]\n    do:\n      cmd: python e.py ${item}\n      deps: [models]\n      metrics: [{'m-${item}.json': {cache: false}}]\n",
    "dvc.lock": "schema: '2.0'\nstages:\n  train:\n    cmd: python src/train.py 3\n    deps:\n    - path: data/raw.csv\n      md5: aa\n      size: 3\n    params:\n      params.yaml:\n        train.depth: 3\n"
    "    outs:\n    - path: models\n      md5: bb.dir\n      size: 4\n      nfiles: 1\n",
    "raw.csv.dvc": "outs:\n- md5: aa\n  size: 3\n  hash: md5\n  path: raw.csv\n",
    "params.yaml": "train: {depth: 3}\n",
}
SETTINGS = b"""\
registry: {model: moons}
pipeline: {targets: [evaluate], environment: [A]}
candidate: {model: models, metrics: metrics.json}
evaluation: {predictions: p.csv, id: id, slices: [platform, {column: age, bins: [1, 2]}]}
metrics:
  accuracy: {margin: 0.05}
  latency: {from: "m.json:a.b", greater_is_better: false, margin: 5, gate: false}
gate: {alpha: 0.05, on_inconclusive: auto}
drift: {reference: a.csv, current: b.csv}
privacy: {min_count: 10}
"""
EVENT = {
    "action": "opened", "number": 7, "before": "0" * 40, "after": "b" * 40, "ref": "refs/heads/main",
    "pull_request": {"number": 7, "user": {"login": "ada"}, "head": {"sha": "a" * 40, "ref": "x", "repo": {"full_name": "eve/models"}}, "base": {"sha": "b" * 40, "ref": "main", "repo": {"full_name": "octo/models"}}},
    "workflow_run": {"id": 1, "event": "pull_request", "head_sha": "a" * 40, "head_branch": "x", "head_repository": {"full_name": "eve/models"}, "pull_requests": [{"number": 7, "head": {"sha": "a" * 40}, "base": {"repo": {"url": "https://api/repos/octo/models"}}}]},
    "merge_group": {"head_sha": "a" * 40, "base_sha": "b" * 40, "base_ref": "refs/heads/main"}, "issue": {"number": 7, "pull_request": {}, "user": {"login": "ada"}},
}  # fmt: skip


def tables(scratch: Path) -> dict[str, bytes]:
    """Return one small predictions file a format."""
    import pyarrow as pa
    import pyarrow.feather
    import pyarrow.parquet

    rows = range(30)
    table = pa.table({
        "id": [f"r{i}" for i in rows], "y_true": [i % 2 for i in rows], "y_pred": [i % 3 % 2 for i in rows],
        "y_score": [i / 30 for i in rows], "platform": pa.array(["a", "b", None] * 10).dictionary_encode(),
    })  # fmt: skip
    pyarrow.parquet.write_table(table, scratch / "t.parquet")
    pyarrow.feather.write_feather(table, scratch / "t.feather")
    plain = table.to_pylist()
    text = "id,y_true,y_pred,y_score,platform\n" + "".join(
        ",".join(str(v) for v in row.values()) + "\n" for row in plain
    )
    return {
        ".csv": text.encode(), ".jsonl": "".join(json.dumps(row) + "\n" for row in plain).encode(),
        ".parquet": (scratch / "t.parquet").read_bytes(), ".feather": (scratch / "t.feather").read_bytes(),
    }  # fmt: skip


def targets(scratch: Path) -> dict[str, Target]:
    """Return all readers, each with valid inputs to start from."""
    from mlops_ci.api_drift import profile

    kinds = tables(scratch)
    (scratch / "data.csv").write_bytes(kinds[".csv"])
    stored = profile(str(scratch / "data.csv")).stored(1).to_json(1).encode()
    judgement = Judgement(
        model=MODEL, manifest=_manifest(), verdict=Verdict(verdict=Result.PASS, findings=())
    )
    entry = Entry(
        event="promotion",
        phase="intent",
        model=MODEL,
        nonce="n1",
        time="2026-01-01T00:00:00Z",
        to_version="1",
    )
    ledger = extended(History(), entry)
    ledger = extended(parse(ledger, MODEL), replace(entry, nonce="n2", phase="commit"))
    report = Report(command="check", model=MODEL, verdict=Result.PASS, headline="fine", notices=(Notice(text="a"),), lineage=_manifest().lineage, stages=_manifest().stages)  # fmt: skip
    return {
        "manifest": Target([_bundle(scratch)], read_manifest, "json"),
        "judgement": Target([judgement.document()], read_kept, "json"),
        "report": Target([json.dumps(report.to_dict()).encode()], read_report, "json"),
        "settings": Target([SETTINGS], read_policy, "yaml"),
        "event": Target([json.dumps(EVENT).encode()], read_event, "json"),
        "ledger": Target(
            [ledger], lambda data, _: parse(data, MODEL) and None, "", (MlopsCiError, BrokenLedgerError)
        ),
        "profile": Target([stored], read_profile, "json", (MlopsCiError, InvalidProfileError)),
        "message": Target([b"a problem with `x` in 'y'"], read_error),
        "code": Target([b"import b.c\nfrom . import d\nopen('b/c.py')\n"], read_code),
        **{name: Target([text.encode()], read_dvc(name), "yaml") for name, text in DVC.items()},
        **{f"predictions{kind}": Target([data], read_predictions(kind)) for kind, data in kinds.items()},
    }


def mutate(rng: random.Random, target: Target) -> bytes:
    """Return a mutation of one of a reader's valid inputs."""
    data = rng.choice(target.seeds)
    if target.structured and rng.random() < 0.6:
        return _restructured(rng, data, target.structured)
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        place = rng.randrange(len(changed) + 1)
        match rng.randrange(6):
            case 0:
                changed[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                changed[place:place] = rng.choice(TOKENS)
            case 2:
                changed[place : place + rng.randrange(1, 30)] = rng.choice(TOKENS)
            case 3:
                del changed[place : place + rng.choice((1, 4, 40, 400))]
            case 4:
                other = rng.randrange(len(changed) + 1)
                changed[place:place] = changed[other : other + rng.randrange(1, 200)]
            case _:
                del changed[place:]
    return bytes(changed)


def _restructured(rng: random.Random, data: bytes, kind: str) -> bytes:
    value = json.loads(data) if kind == "json" else yaml.safe_load(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        nodes = list(_nodes(value))
        if not nodes:
            break
        holder, key = rng.choice(nodes)
        match rng.randrange(4):
            case 0 if isinstance(holder, dict):
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[str(rng.choice(VALUES))[:50]] = deepcopy(rng.choice(VALUES))
            case 2:
                holder[key] = [holder[key]] if rng.random() < 0.5 else {"a": holder[key]}
            case _:
                holder[key] = deepcopy(rng.choice(VALUES))
    text = json.dumps(value) if kind == "json" else yaml.safe_dump(_plain(value), allow_unicode=True)
    return text.encode("utf-8", "surrogatepass")


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def _nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value))
        if isinstance(value, list)
        else []
    )
    for key, item in pairs:
        yield value, key
        yield from _nodes(item)


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in what takes longer."""

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run(cpu_seconds: float, seed: int, only: str = "", stop: Callable[[], bool] = lambda: False) -> Tally:
    """Fuzz all readers in turn until the CPU time is used up, or someone says to stop."""
    rng, tally = random.Random(seed), Tally()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        scratch = Path(name)
        readers = {one: target for one, target in targets(scratch).items() if only in one}
        for target in readers.values():
            for data in target.seeds:
                target.read(data, scratch)  # what is valid is taken
        started = time.process_time()
        while time.process_time() - started < cpu_seconds and not stop():
            for one, target in readers.items():
                attempt(tally, one, target, mutate(rng, target), scratch)
    return tally


def attempt(tally: Tally, name: str, target: Target, data: bytes, scratch: Path) -> None:
    """Give one input to one reader, and keep how it went."""
    tally.inputs[name] += 1
    try:
        with limited(SECONDS):
            target.read(data, scratch)
        tally.accepted[name] += 1
    except target.refusals as refusal:
        if len(str(refusal)) > 20_000:
            tally.crashes.append((name, data, f"a message of {len(str(refusal))} characters"))
    except Exception:
        where = traceback.format_exc().strip().splitlines()
        tally.crashes.append((name, data, "\n".join(where[-12:])))


def main() -> int:
    """Fuzz for some minutes of CPU time, and say what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="readers whose name holds this")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # Told to end (TERM), it says what it found so far.
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    tally = run(options.minutes * 60, options.seed, options.only, lambda: bool(ended))
    minutes = time.process_time() / 60
    kinds: dict[tuple[str, str], tuple[bytes, str]] = {}
    for name, data, said in tally.crashes:
        kinds.setdefault((name, said.splitlines()[-1][:60]), (data, said))
    for (name, _), (data, said) in kinds.items():
        print(f"--- {name}: {len(data)} bytes {data[:300]!r}\n{said}")
    for name, count in tally.inputs.items():
        print(f"{name:22} {count:9,} inputs, {tally.accepted[name]:9,} accepted")
    print(
        f"{sum(tally.inputs.values()):,} inputs in {minutes:.1f} CPU minutes, seed {options.seed}: {len(tally.crashes)} crashes"
    )
    return bool(tally.crashes)


if __name__ == "__main__":
    sys.exit(main())
