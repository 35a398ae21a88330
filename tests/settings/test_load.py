"""mlops-ci.yaml: what is accepted, and how all that is wrong is said at once."""

from pathlib import Path

import pytest

from mlops_ci.errors import SettingsError
from mlops_ci.settings import load, policy_from_mapping, policy_of, read_settings, trusted

MINIMAL = b"registry: {model: m}\nmetrics: {accuracy: {margin: 0.01}}\n"


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        read_settings(text.encode(), "mlops-ci.yaml")
    assert caught.value.exit_code == 2
    assert "mlops-ci.yaml" in str(caught.value)
    return caught.value.problems


def test_minimal_settings_have_the_documented_defaults() -> None:
    (settings,) = read_settings(MINIMAL, "mlops-ci.yaml")
    assert settings.registry.champion == "champion"
    assert settings.pipeline.reproduce == "run"
    assert (settings.gate.alpha, settings.gate.on_inconclusive) == (0.05, "auto")
    policy = policy_of(settings)
    assert policy.metrics["accuracy"].margin == 0.01
    assert policy.metrics["accuracy"].greater_is_better is True


def test_all_problems_are_listed_at_once_with_key_and_suggestion() -> None:
    found = problems("""
registry: {model: m, chmpion: x}
pipeline: {reproduce: rn, timeout: -1}
evaluation: {slices: [platform, {column: a, binz: 3}]}
metrics:
  acuracy: {margin: 0.01}
  ndcg: {column: ndcg, margin: 0.01}
  f1: {margin: 0}
""")
    text = "\n".join(found)
    for part in (
        "registry.chmpion: unknown key; did you mean 'champion'?",
        "pipeline.reproduce: Input should be 'run', 'verify' or 'pull', not 'rn'",
        "pipeline.timeout",
        "evaluation.slices.1.binz: unknown key; did you mean 'bins'?",
        "metrics.acuracy: there is no metric 'acuracy'; did you mean 'accuracy'?",
        "metrics.ndcg.greater_is_better: must be said",
        "metrics.f1.margin: must be greater than 0",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "must be a mapping"),
        ("[1, 2]", "must be a mapping"),
        ("a: [", "line 1"),
        ("a: 1\na: 2\n", "the key 'a' occurs twice"),
        ("registry: !!python/object/apply:os.system ['touch hacked']", "could not determine a constructor"),
        ("registry: {model: m}", "metrics: must name at least one metric"),
        ("registry: {model: m}\nmetrics: {accuracy: {gate: false}}", "none has `gate: true`"),
        ("registry: {model: m}\nmetrics: {accuracy: {}}", "metrics.accuracy.margin: missing"),
        ("registry: {model: m}\nmetrics: {accuracy: {margin: .nan}}", "margin"),
        ("registry: {model: m}\nmetrics: {accuracy: {margin: 0.01, greater_is_better: false}}", "better when greater"),
        ("models: []", "models"),
        ("registry: {model: m}\nmetrics: {recall: {margin: 0.01}}\ngate: {max_total_loss: {recal: 0.01}}", "did you mean 'recall'?"),
        ("registry: {model: m}\nmetrics: {recall: {margin: 0.01}}\ngate: {max_total_loss: -1}", "must be a loss of 0 or more"),
        ("registry: {model: m}\nmetrics: {recall: {margin: 0.01, minimum: .nan}}", "minimum: must be a finite number"),
        ("registry: {model: m}\nmetrics: {recall: {margin: yes}}", "margin: must be a number, not yes or no"),
        ("registry: {model: m}\nmetrics: {recall: {margin: 2}}", "margin: 2.0 accepts any loss of recall"),
        ("registry: {model: m}\nmetrics: {r2: {margin: '100%'}}", "margin: 100% accepts any loss of r2"),
        ("registry: {model: m, champion: ''}\nmetrics: {recall: {margin: 0.01}}", "registry.champion: '' cannot be an alias"),
        ("registry: {model: m, champion: v1}\nmetrics: {recall: {margin: 0.01}}", "registry.champion: 'v1' cannot be an alias"),
        ("registry: {model: m, champion: x, reference: x}\nmetrics: {recall: {margin: 0.01}}", "three different aliases"),
        ("registry: {model: m}\nmetrics: {recall: {margin: 0.01}}\ngate: {seed: -1}", "gate.seed: "),
        ("registry: {model: m}\nmetrics: {recall: {margin: 0.01, slices: true}}", "`evaluation.slices` names no column"),
        ("models: [{registry: {model: m}, metrics: {f1: {margin: 0.1}}}, {registry: {model: m}, metrics: {f1: {margin: 0.1}}}]", "'m' occurs twice"),
        ("\x00", "not YAML"),
    ],
)  # fmt: skip
def test_bad_files(text: str, part: str, tmp_path: Path) -> None:
    assert any(part in problem for problem in problems(text)), problems(text)
    assert not Path("hacked").exists()


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="mlops-ci init"):
        load(tmp_path / "mlops-ci.yaml")


def test_a_number_in_quotes_is_no_percentage() -> None:
    policy = policy_from_mapping({"metrics": {"root_mean_squared_error": {"margin": "0.5"}}})
    assert (
        policy.metrics["root_mean_squared_error"].margin,
        policy.metrics["root_mean_squared_error"].relative,
    ) == (0.5, False)


def test_a_merge_key_is_followed() -> None:
    text = b"registry: {model: m}\nmetrics:\n  recall: &same {margin: 0.02, slices: false}\n  f1: {<<: *same, margin: 0.03}\n"
    (settings,) = read_settings(text, "mlops-ci.yaml")
    assert {name: metric.margin for name, metric in settings.metrics.items()} == {"recall": 0.02, "f1": 0.03}


def test_a_percentage_is_a_relative_margin() -> None:
    policy = policy_from_mapping({"metrics": {"f1": {"margin": "2%"}}})
    assert policy.metrics["f1"].margin == pytest.approx(0.02)
    assert policy.metrics["f1"].relative


def test_policy_from_mapping_lists_problems_of_every_block() -> None:
    with pytest.raises(SettingsError) as caught:
        policy_from_mapping({"metrics": {"f2": {"margin": 0.1}}, "gate": {"alpha": 2}, "pipelin": {}})
    text = str(caught.value)
    assert "metrics.f2" in text
    assert "gate.alpha" in text
    assert "pipelin: unknown key" in text


def test_a_change_names_its_own_paths_and_nothing_else() -> None:
    (target,) = read_settings(MINIMAL, "target")
    (mine,) = read_settings(
        b"""
registry: {model: other, champion: mine}
pipeline: {targets: [evaluate], environment: [AWS_SECRET_ACCESS_KEY], reproduce: pull}
evaluation: {predictions: out.csv, holdout: mine.csv, score_command: rm -rf /, id: key}
metrics: {accuracy: {margin: 0.5}}
gate: {alpha: 0.4, on_inconclusive: pass}
""",
        "change",
    )
    merged = trusted(target, mine)
    assert (merged.evaluation.predictions, merged.evaluation.id) == ("out.csv", "key")
    assert merged.pipeline.targets == ["evaluate"]
    assert merged.registry == target.registry
    assert merged.pipeline.environment == []
    assert merged.pipeline.reproduce == "run"
    assert (merged.evaluation.holdout, merged.evaluation.score_command) == (None, None)
    assert merged.gate == target.gate
    assert merged.metrics == target.metrics
    assert "score" not in merged.evaluation.model_fields_set
    assert trusted(target, None) == target


def test_what_a_file_of_several_models_says_of_reports_holds_for_each_that_says_nothing() -> None:
    blocks = "- {registry: {model: a}, metrics: {f1: {margin: 0.1}}}\n- {registry: {model: b}, metrics: {f1: {margin: 0.1}}, report: {comment: separate}}\n"
    one, two = read_settings(f"report: {{comment: together}}\nmodels:\n{blocks}".encode(), "file")
    assert (one.report.comment, two.report.comment) == ("together", "separate")
    assert any("models: unknown key" in p for p in problems(f"gate: {{}}\nmodels:\n{blocks}"))
    assert any("report" in problem for problem in problems("report: 3\nmodels:\n" + blocks))
