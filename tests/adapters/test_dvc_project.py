"""dvc.yaml, dvc.lock and .dvc files, read without DVC: and that real DVC means the same."""

from pathlib import Path

import pytest
from dvc_repo import DvcRepo, Recorder

from mlops_ci.adapters.dvc.config import DvcConfig, cache_directory
from mlops_ci.adapters.dvc.project import read_project
from mlops_ci.adapters.dvc.run import Steps
from mlops_ci.adapters.dvc.stale import check_frozen, stale_stages
from mlops_ci.adapters.dvc.yaml import declared_stages
from mlops_ci.errors import PipelineError

LAYOUT = {
    "params.yaml": "countries: [uk, us]\nlimit: !!python/object/apply:os.system ['touch pwned']\n",
    "dvc.yaml": """\
vars:
- where: w
- regions: [uk, us]
stages:
  each:
    foreach: ${regions}
    do:
      wdir: sub/${where}
      cmd: cp ../../data/raw.csv ${item}.txt
      deps: [../../data/raw.csv]
      outs: ["${item}.txt"]
""",
    "sub/params.yaml": "depth: {max: 3}\n",
    "sub/dvc.yaml": """\
stages:
  grid:
    matrix: {a: [1, 2], b: [x]}
    cmd: cat w/uk.txt > grid-${item.a}-${item.b}.txt
    deps: [w/uk.txt]
    params: [depth.max]
    outs: ["grid-${item.a}-${item.b}.txt"]
  frozen:
    cmd: echo never > frozen.txt
    frozen: true
    deps: [w/us.txt]
    outs: [frozen.txt]
  score:
    cmd:
      - wc -l < grid-1-x.txt > score.json
      - echo scored
    deps: [grid-1-x.txt, grid-2-x.txt, frozen.txt]
    metrics: [{score.json: {cache: false}}]
  always:
    cmd: echo hello
    always_changed: true
    deps: [score.json]
""",
}


@pytest.fixture
def layout(dvc_repo: DvcRepo) -> DvcRepo:
    """Several dvc.yaml, foreach, matrix, vars, wdir, a frozen stage, YAML tags in params.yaml."""
    for path in ("src/prepare.py", "src/train.py", "src/evaluate.py", "dvc.lock", "metrics.json"):
        (dvc_repo.root / path).unlink()
    for path, text in LAYOUT.items():
        dvc_repo.write(path, text.replace("limit: !!python/object/apply:os.system ['touch pwned']\n", ""))
    (dvc_repo.root / "sub" / "w").mkdir()
    dvc_repo.write("sub/frozen.txt", "never\n")
    dvc_repo.dvc("repro", "-q", "each")
    dvc_repo.dvc("commit", "-q", "-f", "sub/dvc.yaml:frozen")
    dvc_repo.dvc("repro", "-q", "sub/dvc.yaml:score")
    dvc_repo.dvc("push", "-q")
    dvc_repo.commit("another layout")
    dvc_repo.push()
    return dvc_repo


@pytest.mark.slow
def test_an_involved_layout_is_reproduced(layout: DvcRepo) -> None:
    clone, console = layout.clone(), Recorder()
    run = clone.pipeline(console).reproduce(
        "run", ["sub/dvc.yaml:score"], ["sub/score.json", "sub/grid-2-x.txt"]
    )
    assert {stage.name: stage.state for stage in run.stages} == {
        "each@uk": "skipped",
        "sub/dvc.yaml:grid@1-x": "skipped",
        "sub/dvc.yaml:grid@2-x": "restored",
        "sub/dvc.yaml:frozen": "skipped",
        "sub/dvc.yaml:score": "skipped",
    }
    by_name = {stage.name: stage for stage in run.stages}
    assert [(dep.path, dep.kind) for dep in by_name["each@uk"].deps] == [("data/raw.csv", "data")]
    assert list(by_name["each@uk"].outs) == ["sub/w/uk.txt"]
    assert by_name["sub/dvc.yaml:grid@2-x"].params == {"sub/params.yaml:depth.max": 3}
    assert list(by_name["sub/dvc.yaml:grid@2-x"].inputs) == ["sub/w/uk.txt"]
    assert by_name["sub/dvc.yaml:score"].command == "wc -l < grid-1-x.txt > score.json\necho scored"
    assert run.lock_text.startswith("--- # dvc.lock\nschema")
    assert "--- # sub/dvc.lock\nschema" in run.lock_text
    # A change in one file runs what follows in another; what is frozen is not followed.
    clone.edit("sub/params.yaml", "3", "4")
    clone.edit("dvc.yaml", "cp ../../data", "cat ../../data")
    clone.edit("dvc.yaml", "raw.csv ${item}", "raw.csv > ${item}")
    run = clone.pipeline(console).reproduce("run", ["sub/dvc.yaml:score"], ["sub/score.json"])
    assert {stage.name: stage.state for stage in run.stages} == {
        "each@uk": "ran",
        "sub/dvc.yaml:grid@1-x": "ran",
        "sub/dvc.yaml:grid@2-x": "ran",
        "sub/dvc.yaml:frozen": "skipped",
        "sub/dvc.yaml:score": "skipped",
    }
    assert not (clone.root / "sub/w/us.txt").exists()
    with pytest.raises(PipelineError, match="always changed"):
        clone.pipeline(console).reproduce("verify", ["sub/dvc.yaml:always"])
    run = clone.pipeline(console).reproduce("run", ["sub/dvc.yaml:always"])
    assert run.stages[-1].state == "ran"


@pytest.mark.slow
def test_an_import_is_fetched_without_a_credential(dvc_repo: DvcRepo) -> None:
    other = dvc_repo.clone("other")
    dvc_repo.dvc("import", "-q", "-o", "data/imported.csv", str(other.root), "data/raw.csv")
    dvc_repo.edit(
        "dvc.yaml", "[data/raw.csv, src/prepare.py]", "[data/raw.csv, data/imported.csv, src/prepare.py]"
    )
    dvc_repo.commit("import")
    dvc_repo.push()
    clone, console = dvc_repo.clone(), Recorder()
    trusted = (dvc_repo.root / ".dvc/config").read_bytes()
    run = clone.pipeline(console, trusted_config=trusted).reproduce("run", ["prepare"], [])
    assert [stage.state for stage in run.stages] == ["ran"]
    assert any("import" in title for title in console.groups)
    assert (clone.root / "data/imported.csv").is_file()


def write(root: Path, files: dict[str, str]) -> list[str]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return list(files)


def test_templates_are_resolved_and_tags_run_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, LAYOUT)
    stages, complete = declared_stages(tmp_path / "dvc.yaml")
    assert complete
    assert [(stage.name, stage.wdir, dict(stage.outs)) for stage in stages] == [
        ("each@uk", "sub/w", {"uk.txt": True}),
        ("each@us", "sub/w", {"us.txt": True}),
    ]
    stages, complete = declared_stages(tmp_path / "sub/dvc.yaml")
    assert complete
    assert [stage.name for stage in stages] == ["grid@1-x", "grid@2-x", "frozen", "score", "always"]
    assert [stage.frozen for stage in stages] == [False, False, True, False, False]
    assert dict(stages[3].outs) == {"score.json": False}
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("foreach", "names"),
    [
        ("[1, true, x]", ["s@1", "s@true", "s@x"]),
        ("[{a: 1}, {a: 2}]", ["s@0", "s@1"]),
        ("{uk: {a: 1}, us: {a: 2}}", ["s@uk", "s@us"]),
    ],
)
def test_names_of_foreach_stages(tmp_path: Path, foreach: str, names: list[str]) -> None:
    write(tmp_path, {"dvc.yaml": f"stages: {{s: {{foreach: {foreach}, do: {{cmd: x, outs: [o]}}}}}}"})
    assert [stage.name for stage in declared_stages(tmp_path / "dvc.yaml")[0]] == names


def test_what_cannot_be_resolved_is_said_to_be_incomplete(tmp_path: Path) -> None:
    write(tmp_path, {"dvc.yaml": "stages:\n  a: {cmd: x, deps: ['${nowhere}'], outs: [o]}\n  b: {cmd: y}\n"})
    stages, complete = declared_stages(tmp_path / "dvc.yaml")
    assert [stage.name for stage in stages] == ["b"]
    assert not complete


@pytest.mark.parametrize("text", ["stages: [", "stages: [1]", "- 1", "a: &a [*a, !!python/name:os.system x]"])
def test_a_broken_dvc_yaml_is_refused(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"dvc.yaml": text})
    with pytest.raises(PipelineError, match=r"dvc\.yaml"):
        declared_stages(tmp_path / "dvc.yaml")


LOCK = """\
schema: '2.0'
stages:
  a:
    cmd: make a
    deps:
    - {path: data/raw.csv, hash: md5, md5: '1111', size: 9}
    - {path: s3://bucket/x, etag: '22'}
    - {path: a.py, hash: md5, md5: '33'}
    params:
      params.yaml: {when: 2024-01-02, ratio: .nan, deep: {1: x}}
    outs:
    - {path: a.out, hash: md5, md5: '44'}
  gone: {cmd: old, outs: [{path: old.out, md5: '5'}]}
"""
YAML = """\
stages:
  a: {cmd: make a, deps: [data, s3://bucket/x, a.py], outs: [a.out]}
  b: {cmd: b, deps: [a.out]}
"""


def test_a_project_is_read(tmp_path: Path) -> None:
    files = write(
        tmp_path,
        {"dvc.yaml": YAML, "dvc.lock": LOCK, "data/raw.csv.dvc": "outs: [{path: raw.csv, md5: '1111'}]\n"},
    )
    project = read_project(tmp_path, files)
    assert list(project.stages) == ["a", "b"]  # what only dvc.lock knows is an old stage
    assert project.select([]) == ["a", "b"]
    assert project.select(["b"]) == ["b"]
    assert project.select(["dvc.yaml:a"]) == ["a"]
    assert project.upstream(["b"]) == ["a", "b"]
    stage = project.described("a")
    assert [(dep.path, dep.kind, dep.size) for dep in stage.deps] == [
        ("data/raw.csv", "data", 9),
        ("s3://bucket/x", "data", None),
        ("a.py", "code", None),
    ]
    assert stage.params == {
        "params.yaml:when": "2024-01-02",
        "params.yaml:ratio": "nan",
        "params.yaml:deep": {"1": "x"},
    }
    assert stage.outs == {"a.out": "44"}


def test_the_lock_before_schema_2(tmp_path: Path) -> None:
    old = "a:\n  cmd: make a\n  outs:\n  - {path: a.out, md5: '44'}\n"
    files = write(tmp_path, {"dvc.yaml": YAML, "dvc.lock": old})
    assert read_project(tmp_path, files).described("a").outs == {"a.out": "44"}


def test_staleness_follows_the_graph(tmp_path: Path) -> None:
    files = write(
        tmp_path, {"dvc.yaml": YAML, "dvc.lock": LOCK + "  b: {cmd: b, deps: [{path: a.out, md5: '44'}]}\n"}
    )
    project = read_project(tmp_path, files)
    assert stale_stages(project, ["a", "b"], {}) == {}
    absent = {
        "a": [{"changed deps": {"data/raw.csv": "deleted"}}, {"changed outs": {"a.out": "not in cache"}}],
        "b": [{"changed deps": {"a.out": "deleted"}}],
    }
    assert stale_stages(project, ["a", "b"], absent) == {}
    status = {**absent, "a": [{"changed deps": {"params.yaml": {"when": "modified"}}}, "changed command"]}
    assert stale_stages(project, ["a", "b"], status) == {
        "a": "params.yaml changed: when, changed command",
        "b": "follows stage 'a'",
    }


def test_an_input_that_is_recorded_otherwise_than_made_is_stale(tmp_path: Path) -> None:
    files = write(
        tmp_path, {"dvc.yaml": YAML, "dvc.lock": LOCK + "  b: {cmd: b, deps: [{path: a.out, md5: '45'}]}\n"}
    )
    project = read_project(tmp_path, files)
    assert stale_stages(project, ["a", "b"], {}) == {"b": "a.out modified"}


def test_a_frozen_stage_whose_inputs_changed_is_no_evidence(tmp_path: Path) -> None:
    frozen = YAML.replace("b: {cmd: b,", "b: {cmd: b, frozen: true, outs: [b.out],")
    locked = LOCK + "  b: {cmd: b, deps: [{path: a.out, md5: '45'}], outs: [{path: b.out, md5: '6'}]}\n"
    project = read_project(tmp_path, write(tmp_path, {"dvc.yaml": frozen, "dvc.lock": locked}))
    assert stale_stages(project, ["a", "b"], {}) == {}
    with pytest.raises(PipelineError, match=r"stage 'b' is frozen.*a\.out modified"):
        check_frozen(project, ["a", "b"], ["b.out"])
    assert check_frozen(project, ["a", "b"], ["a.out"]) == [
        "stage 'b' is frozen: it does not follow changes of what it reads"
    ]


def test_stages_at_another_revision(dvc_repo: DvcRepo) -> None:
    dvc_repo.edit("src/evaluate.py", "evaluated", "evaluated anew")
    dvc_repo.edit("dvc.yaml", "cmd: python src/evaluate.py", "cmd: python src/evaluate.py --easy")
    (dvc_repo.root / "sub.dvc").symlink_to("/etc/passwd")
    dvc_repo.commit()
    pipeline = dvc_repo.pipeline()
    before, after = pipeline.stages_at("origin/main"), pipeline.stages_at("HEAD")
    assert [stage.name for stage in before] == ["prepare", "train", "evaluate"]
    assert before[:2] == after[:2]
    assert (before[2].command, after[2].command) == (
        "python src/evaluate.py",
        "python src/evaluate.py --easy",
    )
    assert [(dep.path, dep.kind) for dep in before[0].deps] == [
        ("data/raw.csv", "data"),
        ("src/prepare.py", "code"),
    ]


def test_the_output_of_dvc_is_read() -> None:
    times = iter([10.0, 12.5, 13.0, 13.0, 20.0])
    steps = Steps(clock=lambda: next(times))
    for line in (
        "'data/raw.csv.dvc' didn't change, skipping",
        "Stage 'a' didn't change, skipping",
        "Stage 'sub/dvc.yaml:b@1' is cached - skipping run, checking out outputs",
        "Running stage 'c':",
        "> make c",
        "",
        "a line of c",
    ):
        steps.line(line)
    steps.end()
    assert steps.states == {
        "data/raw.csv.dvc": "skipped",
        "a": "skipped",
        "sub/dvc.yaml:b@1": "restored",
        "c": "ran",
    }
    assert steps.seconds["c"] == 7.0
    assert list(steps.output) == ["> make c", "a line of c"]


def test_relative_paths_of_the_config_keep_their_meaning_elsewhere(tmp_path: Path) -> None:
    text = """\
[core]
    remote = store
['remote "store"']
    url = ../../store  # beside
    keyfile = "keys/id"
['remote "cloud"']
    url = s3://bucket/path
    endpointurl = http://localhost:9000
    ssl_verify = false
['remote "sub"']
    url = remote://store/sub
[cache]
    dir = ../shared
"""
    config = DvcConfig(text, tmp_path / "a" / "b")
    assert config.cache_dir() == tmp_path / "a" / "shared"
    assert list(config.endpoints()) == [str(tmp_path / "store"), "http://localhost:9000"]
    moved = DvcConfig(
        config.relocated({("core", "no_scm"): "true", ("cache", "dir"): "/c"}), Path("/elsewhere")
    )
    assert moved.remotes() == {
        "store": str(tmp_path / "store"),
        "cloud": "s3://bucket/path",
        "sub": "remote://store/sub",
    }
    assert str(tmp_path / "a/b/keys/id") in moved.relocated({})
    assert "ssl_verify = false" in moved.relocated({})
    assert moved.cache_dir() == Path("/c")


def test_the_cache_is_where_the_config_says(tmp_path: Path) -> None:
    assert cache_directory(tmp_path) == tmp_path / ".dvc/cache"
    write(tmp_path, {".dvc/config": "[cache]\n    dir = /mnt/cache\n"})
    assert cache_directory(tmp_path) == Path("/mnt/cache")
    write(tmp_path, {".dvc/config.local": "[cache]\n    dir = ../near\n"})
    assert cache_directory(tmp_path) == tmp_path / "near"
