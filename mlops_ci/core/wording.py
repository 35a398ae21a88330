"""What a verdict means for the reader: headline, summary and next step, in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from mlops_ci.core.report import Approval
from mlops_ci.core.verdict import Finding, Outcome, Result, Verdict


def headline(model: str, verdict: Verdict, *, champion: bool, approval: Approval | None = None) -> str:
    """Return one line that says what happens to the merge, and why."""
    if verdict.verdict is Result.ERROR:
        return f"{model}: could not tell whether merging is safe"
    if verdict.verdict is Result.FAIL:
        return f"{model}: merging this makes the model worse"
    if verdict.blocked:
        return f"{model}: not proven to be safe, blocked by the policy"
    if verdict.held:
        reason = "not settled" if verdict.verdict is Result.INCONCLUSIVE else "needs a second pair of eyes"
        state = f"approved by {approval.actor}" if approval else "waiting for approval"
        return f"{model}: {reason}, {state}"
    if not champion:
        return f"{model}: nothing is in production yet, so there is nothing to make worse"
    if verdict.verdict is Result.INCONCLUSIVE:
        return f"{model}: not settled, but every estimate is inside its margin"
    if verdict.findings and all(finding.outcome is Outcome.UNCHANGED for finding in verdict.findings):
        return f"{model}: the model is unchanged"
    if any(f.outcome is Outcome.BETTER and f.gated and f.slice is None for f in verdict.findings):
        return f"{model}: better than the champion"
    return f"{model}: no worse than the champion"


def summary(verdict: Verdict, versus: str, rows: int) -> str:
    """Return the sentences under the headline: the findings that decided, and what they were measured on."""
    decisive = [finding for finding in verdict.findings if finding.gated and _decides(finding, verdict)]
    if decisive:
        said = " ".join(finding.message for finding in decisive[:3])
        more = f" (and {len(decisive) - 3} more)" if len(decisive) > 3 else ""
        return f"{said}{more} Compared with {versus} on the same {rows:,} holdout rows."
    gated = [finding for finding in verdict.findings if finding.gated and finding.slice is None]
    if not gated:
        return ""
    if all(finding.outcome is Outcome.UNCHANGED for finding in gated):
        return f"It makes the same predictions as {versus}."
    count = "The metric is" if len(gated) == 1 else f"All {len(gated)} metrics are"
    return f"{count} within the accepted margin on the same {rows:,} holdout rows as {versus}."


def _decides(finding: Finding, verdict: Verdict) -> bool:
    deciding = {
        Result.ERROR: {Outcome.ERROR},
        Result.FAIL: {Outcome.WORSE},
        Result.INCONCLUSIVE: {Outcome.INCONCLUSIVE} if finding.slice is None else set(),
        Result.PASS: {Outcome.BETTER} if finding.slice is None else set(),
    }
    return finding.outcome in deciding[verdict.verdict]


def next_step(verdict: Verdict, head: str, approval: Approval | None, *, approvable: bool) -> str:
    """Return what the reader can do now."""
    if verdict.verdict is Result.ERROR:
        return "Mend what is said above and push again. A check that cannot tell never passes."
    if verdict.verdict is Result.FAIL:
        return (
            "Improve the candidate and push again. If the loss is wanted, change the margin in mlops-ci.yaml"
            " in a pull request of its own, where the team can see it."
        )
    if verdict.blocked:
        return f"More labelled rows would settle it{_rows(verdict.findings)}."
    if verdict.held and approval is None:
        more = f"More labelled rows would settle it{_rows(verdict.findings)}. "
        settle = more if verdict.verdict is Result.INCONCLUSIVE else ""
        if not approvable:
            return f"{settle}In a pull request, someone with write access can approve it."
        return (
            f"{settle}To merge anyway, someone with write access who is not the author comments"
            f" `/mlops-ci accept {head} <reason>` and runs this job again; a new push asks again."
        )
    if verdict.verdict is Result.INCONCLUSIVE:
        return f"Merging is allowed. More labelled rows would settle it{_rows(verdict.findings)}."
    return "Merging is safe as far as the policy asks."


def _rows(findings: Sequence[Finding]) -> str:
    needed = [
        f.rows_needed for f in findings if f.outcome is Outcome.INCONCLUSIVE and f.gated and f.rows_needed
    ]
    return f" (about {max(needed):,} in all)" if needed else ""
