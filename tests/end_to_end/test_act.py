"""The harness itself: a workflow that checks out, sets outputs, and hands an artifact to another job."""

from __future__ import annotations

from pathlib import Path

import pytest
from act import Annotation, Hub
from fakes.github import GitHub

pytestmark = pytest.mark.e2e

CHECKOUT = "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0"
UPLOAD = "actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02 # v4.6.2"
DOWNLOAD = "actions/download-artifact@634f93cb2916e3fdff6788551b99b062d0335ce0 # v5.0.0"
TWO_JOBS = f"""
on: pull_request
jobs:
  one:
    runs-on: ubuntu-latest
    outputs:
      word: ${{{{ steps.say.outputs.word }}}}
    steps:
      - uses: {CHECKOUT}
        with:
          fetch-depth: 0
          persist-credentials: false
      - id: say
        run: |
          echo "word=$(cat data.txt)" >>"$GITHUB_OUTPUT"
          printf 'long<<E\\na\\nb\\nE\\n' >>"$GITHUB_OUTPUT"
          echo "# Summary of one" >>"$GITHUB_STEP_SUMMARY"
          echo "::error title=a%3Ab::boom%0Atwice"
          echo "said on stderr" >&2
          git log --format=%s
          git rev-parse HEAD^1 HEAD^2 origin/main
          git config --get-regexp extraheader || echo "no credentials"
          mkdir -p "$RUNNER_TEMP/evidence/deep" && cp data.txt "$RUNNER_TEMP/evidence/deep/"
      - uses: {UPLOAD}
        with:
          name: evidence
          path: ${{{{ runner.temp }}}}/evidence
      - run: exit 3
      - run: echo never
  two:
    needs: one
    if: always()
    runs-on: ubuntu-latest
    steps:
      - uses: {DOWNLOAD}
        with:
          name: evidence
          path: there
      - id: read
        run: |
          got=$(cat there/deep/data.txt)
          echo "got=$got ${{{{ needs.one.result }}}} ${{{{ needs.one.outputs.word }}}}" >>"$GITHUB_OUTPUT"
          echo "variable $URL, token $TOKEN, host ${{OF_THE_HOST-not there}}"
        env:
          URL: ${{{{ vars.URL }}}}
          TOKEN: ${{{{ secrets.GITHUB_TOKEN }}}}
"""


@pytest.fixture
def hub(tmp_path: Path, github: GitHub) -> Hub:
    made = Hub(tmp_path, github)
    made.commit({"data.txt": "old\n", ".github/workflows/check.yml": TWO_JOBS}, message="base")
    return made


def test_two_jobs_with_outputs_summary_and_an_artifact(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_HOST", "leaked")
    head = hub.commit({"data.txt": "new\n"}, branch="change", message="the change")
    base = hub.commit({"other.txt": ""}, message="main moved")
    hub.open_pull(7, "change")
    run = hub.run(".github/workflows/check.yml", number=7, variables={"URL": "http://mlflow"})

    assert run.exit_code == 1
    assert run.jobs == {"one": "failure", "two": "success"}
    say = run.step("one", "say")
    assert say.outputs == {"word": "new", "long": "a\nb"}
    assert run.summary == "# Summary of one\n"
    assert say.annotations == [Annotation(level="error", title="a:b", text="boom\ntwice")]
    # The merge commit, whose first parent is the target branch's tip, with all branches.
    assert f"{base}\n{head}\n{base}\n" in say.log
    assert "main moved" in say.log
    assert "said on stderr" in say.log
    assert "no credentials" in say.log
    assert run.step("one", "exit 3").result == "failure"
    assert run.step("two", "read").outputs == {"got": "new failure new"}
    assert "variable http://mlflow, token ***, host not there" in run.step("two", "read").log


SHALLOW = f"""
on: [pull_request, push]
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - uses: {CHECKOUT}
      - id: see
        run: |
          echo "commits=$(git rev-list --count HEAD)" >>"$GITHUB_OUTPUT"
          echo "branches=$(git branch --remotes --format='%(refname:short)' | xargs)" >>"$GITHUB_OUTPUT"
          echo "on=$(git symbolic-ref --short HEAD || echo detached)" >>"$GITHUB_OUTPUT"
          echo "config=$(git config --get-regexp extraheader | cut -d' ' -f2-3)" >>"$GITHUB_OUTPUT"
          echo "run=$GITHUB_RUN_ID $GITHUB_RUN_ATTEMPT $GITHUB_REPOSITORY $GITHUB_REF" >>"$GITHUB_OUTPUT"
"""


def test_checkout_is_as_shallow_as_githubs(hub: Hub) -> None:
    hub.commit({".github/workflows/shallow.yml": SHALLOW})
    hub.commit({"data.txt": "new\n"}, branch="change")
    hub.open_pull(7, "change")
    run = hub.run(".github/workflows/shallow.yml", number=7, run_id=77, attempt=2)

    assert run.exit_code == 0, run.log
    assert run.step("one", "see").outputs == {
        "commits": "1",
        "branches": "pull/7/merge",
        "on": "detached",
        "config": "AUTHORIZATION: basic",
        "run": "77 2 octo/models refs/pull/7/merge",
    }

    run = hub.run(".github/workflows/shallow.yml", event="push")
    outputs = run.step("one", "see").outputs
    assert (outputs["commits"], outputs["branches"], outputs["on"]) == ("1", "origin/main", "main")


LOCAL_ACTION = """
name: greet
description: A composite action of ours.
inputs:
  who: {description: whom, default: nobody}
outputs:
  greeting: {description: what was said, value: "${{ steps.run.outputs.greeting }}"}
runs:
  using: composite
  steps:
    - id: run
      shell: bash
      env:
        WHO: ${{ inputs.who }}
      run: exec "$GITHUB_ACTION_PATH/greet.sh"
"""
USES_IT = """
on: pull_request
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - id: greet
        uses: OWNER/greet@REF
        with:
          who: you
      - run: test "${{ steps.greet.outputs.greeting }}" = "hello you"
"""


def test_an_action_of_this_machine(hub: Hub, tmp_path: Path) -> None:
    action = tmp_path / "greet"
    action.mkdir()
    (action / "action.yml").write_text(LOCAL_ACTION)
    (action / "greet.sh").write_text('#!/bin/sh\necho "greeting=hello $WHO" >>"$GITHUB_OUTPUT"\n')
    (action / "greet.sh").chmod(0o755)
    hub.commit({".github/workflows/greet.yml": USES_IT}, branch="change")
    hub.open_pull(7, "change")
    run = hub.run(".github/workflows/greet.yml", number=7, actions={"OWNER/greet@REF": action})

    assert run.exit_code == 0, run.log
    assert run.step("one", "greet").outputs == {"greeting": "hello you"}
