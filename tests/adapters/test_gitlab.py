"""GitLab: one note among thousands, approvals that count, and a log that folds."""

import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.gitlab import AUTHOR, BASE, BOT, GUEST, HEAD, MAINTAINER, OTHER_BOT, GitLab
from werkzeug.serving import make_server
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from mlops_ci.adapters.forges.gitlab import GitLabForge
from mlops_ci.adapters.forges.gitlab_notes import SectionConsole
from mlops_ci.core.report import Report
from mlops_ci.core.verdict import Result
from mlops_ci.errors import ServiceError

REPORT = Report(command="check", model="malware", verdict=Result.FAIL, exit_code=1, headline="recall fell")
WORDS = {"comment": "recall fell", "markdown": "recall fell", "text": "recall fell in the log"}


@pytest.fixture
def gitlab() -> Iterator[GitLab]:
    with GitLab() as made:
        yield made


def forge(gitlab: GitLab, folder: Path, **more: str) -> tuple[GitLabForge, io.StringIO]:
    log = io.StringIO()
    made = GitLabForge(
        token="t",
        env=gitlab.environment(folder) | more,
        console=SectionConsole(log, now=lambda: 1.0),
        sleep=lambda _: None,
    )
    return made, log


def publish(made: GitLabForge) -> str | None:
    return made.publish(replace(REPORT, source=made.source()), WORDS, key="check malware")


def test_our_note_is_found_behind_pages_of_others(gitlab: GitLab, tmp_path: Path) -> None:
    made, _ = forge(gitlab, tmp_path)
    for _ in range(450):
        gitlab.write(GUEST, "me too")
    made.announce("Checking.", key="check malware")
    assert publish(made) == publish(made) == "http://gitlab.example/acme/shop/-/merge_requests/7#note_451"
    assert len(gitlab.bodies()) == 1


def test_a_foreign_note_with_our_marker_is_left_alone(gitlab: GitLab, tmp_path: Path) -> None:
    made, _ = forge(gitlab, tmp_path)
    publish(made)
    stolen = gitlab.bodies()[0]
    gitlab.notes.clear()
    gitlab.write(GUEST, stolen)
    publish(made)
    assert gitlab.bodies(GUEST) == [stolen]
    assert len(gitlab.bodies()) == 1


@pytest.mark.parametrize(("who", "words", "edited", "counts"), [
    (MAINTAINER, f"/mlops-ci accept {HEAD} we know", False, True),
    (MAINTAINER, f"/mlops-ci accept {HEAD} we know", True, False),
    (MAINTAINER, f"/mlops-ci accept {HEAD}", False, False),
    (MAINTAINER, f"/mlops-ci accept {BASE} we know", False, False),
    (MAINTAINER, f"/mlops-ci accept {HEAD[:7]} we know", False, False),
    (AUTHOR, f"/mlops-ci accept {HEAD} we know", False, False),
    (GUEST, f"/mlops-ci accept {HEAD} we know", False, False),
    (BOT, f"/mlops-ci accept {HEAD} we know", False, False),
    (OTHER_BOT, f"/mlops-ci accept {HEAD} we know", False, False),
])  # fmt: skip
def test_who_can_accept_and_how(
    gitlab: GitLab, tmp_path: Path, who: int, words: str, edited: bool, counts: bool
) -> None:
    made, _ = forge(gitlab, tmp_path)
    gitlab.write(who, words, edited=edited)
    change = made.pull_request()
    assert change is not None
    assert [one.reason for one in made.approvals(change)] == (["we know"] if counts else [])


def test_a_token_that_may_not_write_is_said_with_its_remedy(gitlab: GitLab, tmp_path: Path) -> None:
    made, log = forge(gitlab, tmp_path)
    gitlab.readonly = True
    assert publish(made) is None
    assert "needs the scope api" in log.getvalue()
    assert "recall fell in the log" in log.getvalue()


def test_the_log_folds(gitlab: GitLab, tmp_path: Path) -> None:
    made, log = forge(gitlab, tmp_path)
    publish(made)
    assert "\x1b[0Ksection_start:1:mlops_ci_1[collapsed=true]\r\x1b[0KReport: malware\n" in log.getvalue()
    assert "section_end:1:mlops_ci_1\r" in log.getvalue()


def test_outputs_are_a_dotenv_file(gitlab: GitLab, tmp_path: Path) -> None:
    made, _ = forge(gitlab, tmp_path)
    made.outputs({"verdict": "fail", "report-json": "a\nEVIL=1"})
    assert (tmp_path / "mlops-ci.env").read_text() == "MLOPS_CI_VERDICT=fail\nMLOPS_CI_REPORT_JSON=a EVIL=1\n"


def test_a_merged_results_pipeline_names_the_real_head(gitlab: GitLab, tmp_path: Path) -> None:
    made, _ = forge(gitlab, tmp_path, CI_COMMIT_SHA="c" * 40, CI_MERGE_REQUEST_SOURCE_BRANCH_SHA=HEAD)
    assert made.source().head == HEAD


@pytest.mark.parametrize(
    "refusal",
    [
        {"base": ["Insufficient permissions to set pipeline variables"]},
        {"base": ["You do not have sufficient permission to run a pipeline on 'main'."]},
    ],
)
def test_a_pipeline_that_is_refused_is_told_with_the_settings(
    refusal: dict[str, list[str]], gitlab: GitLab, tmp_path: Path
) -> None:
    gitlab.refusals["pipeline"] = refusal
    made, _ = forge(gitlab, tmp_path)
    with pytest.raises(ServiceError, match="ermission") as caught:
        made.dispatch("mlops-ci-retrain", {"model": "malware"})
    assert "Minimum role to use pipeline variables" in caught.value.remedy
    assert "allowed to merge" in caught.value.remedy
    assert gitlab.pipelines == []


def test_the_token_stays_with_gitlab(gitlab: GitLab, tmp_path: Path) -> None:
    """A portal in between may lead to the page of its login, on a host of its own."""
    heard: list[str | None] = []

    def portal(environ: dict[str, Any], start_response: Any) -> Any:
        here = environ["HTTP_HOST"].startswith("127.0.0.1")
        if not here:
            heard.append(str([environ.get(name) for name in ("HTTP_AUTHORIZATION", "HTTP_PRIVATE_TOKEN")]))
        answer = redirect(f"http://localhost:{server.server_port}/login") if here else Response("{}")
        return answer(environ, start_response)

    server = make_server("127.0.0.1", 0, portal)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        made, _ = forge(gitlab, tmp_path, CI_API_V4_URL=f"http://127.0.0.1:{server.server_port}/api/v4")
        with pytest.raises((KeyError, ServiceError)):
            made.pull_request()
    finally:
        server.shutdown()
    assert heard == ["[None, None]"]
