"""A GitHub job's own page: job summary, annotations, and notes on what could not be delivered."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_ci.adapters.forges import github_actions, github_event
from mlops_ci.adapters.http import RefusedError
from mlops_ci.adapters.ports import Console
from mlops_ci.core.report import Report
from mlops_ci.core.verdict import Outcome

# GitHub refuses this to a job's own token by default, whatever `permissions:` says.
NO_PULL_REQUESTS = (
    "Allow it (Settings > Actions > General > Allow GitHub Actions to create and approve pull requests), or"
    " give another token, as the secret MLOPS_CI_TOKEN."
)
ANNOTATIONS = 9  # GitHub shows ten of a kind a step; one is left for a failed delivery


class JobPage:
    """A job's own page, which it can write whatever its token may do.

    Parameters
    ----------
    env
        The runner's environment.
    change
        What the workflow runs for: it decides which remedy a missing permission has.
    """

    def __init__(self, env: Mapping[str, str], console: Console, change: github_event.Change) -> None:
        self._env = env
        self._console = console
        self._change = change

    def note(self, text: str) -> None:
        """Write to the log and the summary why something was not delivered."""
        self._console.warn(text, title="mlops-ci")
        self.summarise("> [!NOTE]\n> " + text.replace("\n", "\n> "))

    def explain_refusal(self, error: RefusedError, doing: str, missing: str) -> None:
        """Explain which permission is missing, with the YAML that grants it."""
        if error.status not in {401, 403, 404} or "locked" in error.message.lower():
            self.note(f"{doing} was refused: {error}")
            return
        remedy = github_event.remedy(missing, self._change, self._env.get("GITHUB_ACTOR", ""))
        if "not permitted to create" in error.message:
            remedy = NO_PULL_REQUESTS
        self.note(f"{doing} was refused: {error.status} {error.message}\n\n{remedy}")

    def summarise(self, *bodies: str) -> None:
        """Write the first body that fits to the job summary."""
        try:
            place = github_actions.write_summary(self._env, *bodies)
        except OSError as error:
            self._console.warn(f"the job summary could not be written: {error}")
            return
        if place:
            self._console.warn("the report is longer than the 1 MiB that a job summary holds")

    def annotate(self, report: Report) -> None:
        """Annotate the run with blocking findings and warnings."""
        title = f"mlops-ci: {report.model}" if report.model else "mlops-ci"
        bad = {Outcome.WORSE, Outcome.ERROR}
        said = [finding.message for finding in report.findings if finding.gated and finding.outcome in bad]
        for text in [report.headline, *said][:ANNOTATIONS] if report.exit_code else []:
            self._console.error(text, title=title)
        for notice in [notice for notice in report.notices if notice.level != "note"][:ANNOTATIONS]:
            self._console.warn(notice.text, title=title)
