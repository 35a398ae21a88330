"""An old name of a key keeps working for a major version, and its new one is said."""

import pytest
from guarded_repo import SETTINGS, GuardedRepo

from mlops_ci.errors import SettingsError
from mlops_ci.settings import deprecated, read_settings, trusted

MINIMAL = "registry: {{model: m}}\nmetrics: {{f1: {{margin: 0.01}}}}\n{}"


@pytest.fixture(autouse=True)
def _moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        deprecated, "MOVED", {"gate.on_open": "gate.on_inconclusive", "holdout": "evaluation.holdout"}
    )


def read(more: str):  # type: ignore[no-untyped-def]
    (settings,) = read_settings(MINIMAL.format(more).encode(), "mlops-ci.yaml")
    return settings


def test_an_old_name_is_read_as_the_new_one_and_said() -> None:
    settings = read("gate: {on_open: block, alpha: 0.01}\nholdout: data.csv\n")
    assert (settings.gate.on_inconclusive, settings.gate.alpha) == ("block", 0.01)
    assert settings.evaluation.holdout == "data.csv"
    assert [text.split(" now")[0] for text in settings.deprecated] == [
        "`gate.on_open` is called `gate.on_inconclusive`", "`holdout` is called `evaluation.holdout`",
    ]  # fmt: skip
    assert trusted(settings, None).deprecated == trusted(settings, settings).deprecated == settings.deprecated


def test_new_names_say_nothing() -> None:
    assert read("gate: {on_inconclusive: block}\n").deprecated == ()


def test_both_names_at_once_are_a_problem() -> None:
    with pytest.raises(SettingsError, match=r"both are given; remove the old one"):
        read("gate: {on_open: block, on_inconclusive: pass}\n")


def test_a_wrong_shape_is_still_said_in_words() -> None:
    with pytest.raises(SettingsError, match="gate"):
        read("gate: [on_open]\n")


def test_a_check_says_it(unguarded: GuardedRepo) -> None:
    unguarded.settle(**{"mlops-ci.yaml": SETTINGS + "gate: {on_open: pass}\n"})
    unguarded.change(threshold=0.6)
    said = [one for one in unguarded.check().json["notices"] if "on_open" in one["text"]]
    assert [one["level"] for one in said] == ["warning"]
