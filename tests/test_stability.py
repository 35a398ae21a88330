"""Semantic versioning: what was promised is still there, or the version says that it is not."""

import copy
import json
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
STORED = Path(__file__).parent / "stability"
sys.path.insert(0, str(ROOT / "scripts"))

import check_release  # noqa: E402
from surface import broken, may_break, surface  # noqa: E402

BEFORE = json.loads((STORED / "surface.json").read_text(encoding="utf-8"))
NOW = surface()


def test_nothing_that_was_promised_is_gone() -> None:
    found = broken(BEFORE, NOW)
    assert not found or may_break(BEFORE["version"], NOW["version"]), (
        "breaking, and the version does not say so:\n" + "\n".join(found) + "\n"
        "Keep the old name beside the new one (mlops_ci/settings/deprecated.py), or make it a new major version; "
        "what was never released may be stored anew: python scripts/surface.py"
    )


def changed(part: str, name: str, **values: Any) -> dict[str, Any]:
    made = copy.deepcopy(NOW)
    made[part][name] |= values
    return made


def without(part: str, name: str) -> dict[str, Any]:
    made = copy.deepcopy(NOW)
    del made[part][name]
    return made


BREAKING = {
    "a key is renamed": (without("settings", "GateSettings.alpha"), "settings: GateSettings.alpha is gone"),
    "a default changes": (changed("settings", "GateSettings.alpha", default=0.1), "default was 0.05, is 0.1"),
    "a choice is gone": (changed("settings", "GateSettings.on_drift", types=["'warn'"]), "may no longer be 'ignore', 'approve', 'block'"),
    "a key is required": (changed("settings", "EvaluationSettings.holdout", required=True), "is required now"),
    "a field is gone": (without("report", "Finding.interval"), "report: Finding.interval is gone"),
    "a field may be null": (changed("report", "Report.headline", types=["null", "string"]), "may now be null"),
    "the format is another": (changed("report", "schema_version", **{"is": 2}), "is was 1, is 2"),
    "a block is gone": (changed("templates", "check.md.j2", values=["footer"]), "templates: check.md.j2: no longer has 'details'"),
    "a filter is gone": (changed("templates", "text: filters and functions", values=[]), "no longer has 'arrow'"),
    "a name is gone": (changed("python", "mlops_ci", values=["compare"]), "no longer has 'Policy'"),
    "a parameter is gone": (without("python", "mlops_ci.compare(policy)"), "python: mlops_ci.compare(policy) is gone"),
    "an attribute is gone": (changed("python", "Finding", values=["metric"]), "no longer has 'adjusted_pvalue'"),
    "an exit code changes": (changed("python", "errors.ServiceError", **{"is": 1}), "is was 4, is 1"),
    "a verb is gone": (changed("command line", "verbs", values=["check"]), "no longer has 'adopt'"),
    "an option is gone": (without("command line", "check --evidence"), "command line: check --evidence is gone"),
    "a variable is gone": (changed("command line", "check --evidence", values=[]), "no longer has 'MLOPS_CI_EVIDENCE'"),
    "an input is gone": (without("action", "input evidence"), "action: input evidence is gone"),
    "an output is gone": (changed("action", "outputs", values=["verdict"]), "no longer has 'candidate-run-id'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BREAKING)
def test_a_breaking_change_is_found(case: str) -> None:
    made, said = BREAKING[case]
    found = broken(NOW, made)
    assert len(found) == 1
    assert said in found[0]


def test_a_new_required_key_breaks_and_a_new_optional_one_does_not() -> None:
    made = copy.deepcopy(NOW)
    made["settings"]["GateSettings.new"] = {"types": ["string"], "required": False, "default": None}
    made["report"]["Report.new"] = {"types": ["string"]}
    made["command line"]["verbs"]["values"].append("new")
    made["settings"]["NewSettings.name"] = {"types": ["string"], "required": True}
    assert broken(NOW, made) == []
    made["settings"]["GateSettings.new"]["required"] = True
    assert broken(NOW, made) == ["settings: GateSettings.new is new and required"]


@pytest.mark.parametrize(("before", "now", "may"), [
    ("0.1.0", "0.1.1", False), ("0.1.0", "0.2.0", True), ("0.9.0", "1.0.0", True), ("1.2.0", "1.3.0", False), ("1.2.0", "2.0.0", True),
])  # fmt: skip
def test_which_version_may_break(before: str, now: str, may: bool) -> None:
    assert may_break(before, now) is may


def test_documents_of_earlier_versions_are_still_read() -> None:
    from mlops_ci.adapters.report_files import read_reports
    from mlops_ci.render import FORMS, render
    from mlops_ci.settings import read_settings

    template = (STORED / "check-0.1.md.j2").read_text(encoding="utf-8")
    for place in sorted(STORED.glob("report-*.json")):
        (report,) = read_reports(place)
        assert all(render(report, form) for form in FORMS)
        text = render(report, "markdown", {"check.md.j2": template})
        assert "A template of yours has an error" not in text
        assert text.count("mine:") == template.count("mine:")
    for place in sorted(STORED.glob("mlops-ci-*.yaml")):
        assert read_settings(place.read_bytes(), place.name)


def test_a_release_needs_its_version_in_three_places(tmp_path: Path) -> None:
    (tmp_path / "mlops_ci").mkdir()
    for name in ("pyproject.toml", "CHANGELOG.md", "mlops_ci/__init__.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    assert check_release.problems("v9.9.9", tmp_path)[0].startswith("the tag is v9.9.9, pyproject.toml says")
    version = check_release.tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    changelog = (tmp_path / "CHANGELOG.md").read_text().replace("## Unreleased", f"## {version} (2026-11-23)")
    (tmp_path / "CHANGELOG.md").write_text(changelog)
    assert check_release.problems(f"v{version}", tmp_path) == []
    assert "### Added" in check_release.notes(version, tmp_path)


def test_the_package_has_one_version() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{NOW["version"]}"\n' in text


def test_the_stored_surface_is_made_by_the_script() -> None:
    """Additions may be stored later; a release refuses a surface that is not current."""
    script = runpy.run_path(str(ROOT / "scripts" / "surface.py"))
    assert script["text"](BEFORE) == (STORED / "surface.json").read_text(encoding="utf-8")
