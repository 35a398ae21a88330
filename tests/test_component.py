"""The GitLab component as GitLab reads it: an input's text is put in before the YAML is read."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

TEXT = (Path(__file__).parents[1] / "templates" / "gitlab" / "template.yml").read_text()
HEADER, JOBS = TEXT.split("\n---\n")
SPEC = yaml.safe_load(HEADER)["spec"]["inputs"]
COMMANDS = {"install", "production", "outcomes", "newer-data"}


def component(**given: object) -> dict[str, Any]:
    """Return the jobs as GitLab's `TextTemplate` makes them: strings as they are, anything else as JSON."""
    values = {name: given.get(name.replace("-", "_"), about["default"]) for name, about in SPEC.items()}
    text = {name: value if isinstance(value, str) else str(value).lower() for name, value in values.items()}
    read = yaml.safe_load(re.sub(r"\$\[\[ inputs\.([a-z-]+) \]\]", lambda found: text[found[1]], JOBS))
    assert isinstance(read, dict)
    return read


def assert_sound(jobs: dict[str, Any]) -> None:
    """Assert what GitLab asks of a job: its script's lines and its variables are strings."""
    for name, job in jobs.items():
        assert all(isinstance(line, str) for line in job["script"]), name
        assert all(isinstance(value, str) for value in job["variables"].values()), name
        assert isinstance(job["stage"], str), name
        assert isinstance(job["image"], str), name
        assert all(isinstance(rule["if"], str) for rule in job["rules"]), name


def test_defaults_make_jobs_that_gitlab_takes() -> None:
    jobs = component()
    assert_sound(jobs)
    assert jobs["mlops-ci-data"]["script"][1].strip() == "true"


@pytest.mark.parametrize("comment", SPEC["comment"]["options"])
def test_every_choice_of_comment_stays_a_string(comment: str) -> None:
    jobs = component(comment=comment, promote=True)
    assert_sound(jobs)
    assert jobs["mlops-ci-check"]["variables"]["MLOPS_CI_COMMENT"] == comment


@pytest.mark.parametrize(
    "command",
    [
        'python -m pip install --quiet "mlops-ci[dvc]" -r requirements.txt',
        "'quoted' && echo \"so: too\" # and a comment",
        "echo one: two",
        "[ -f data.csv ] || fetch",
        "no",
    ],
)
def test_a_command_arrives_as_it_was_written(command: str) -> None:
    jobs = component(**{name.replace("-", "_"): command for name in COMMANDS})
    assert_sound(jobs)
    said = [line.rstrip("\n") for job in jobs.values() for line in job["script"]]
    assert said.count(command) == len(jobs) + 3  # `install` in each job, and the three that bring data
