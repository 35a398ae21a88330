"""Words a verdict for its reader: headline, summary and next step."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlops_ci.core.formatting import decimals, fixed, stated
from mlops_ci.core.gate.messages import place
from mlops_ci.core.report import Approval, Source
from mlops_ci.core.verdict import Finding, Outcome, Result, Verdict


def headline(
    model: str,
    verdict: Verdict,
    *,
    champion: str | None,
    approval: Approval | None = None,
    problem: str = "",
    reasons: Sequence[str] = (),
) -> str:
    """Return one line that says what happens to the merge, and the reason.

    Parameters
    ----------
    champion
        What the candidate was compared with (``champion v12``), or None if nothing is in production.
    problem
        Why it could not be told, for an error.
    reasons
        Why someone has to approve it, whatever its numbers say.
    """
    if verdict.verdict is Result.ERROR and not problem:
        broken = [f.message for f in verdict.findings if f.gated and f.outcome is Outcome.ERROR]
        problem = next(iter([*broken, *verdict.notices]), "")
    why = "; ".join(reasons) or next(iter(verdict.notices[-1:]), "")
    return f"{model}: {_state(verdict, champion, approval, problem if problem else why)}"


def _state(verdict: Verdict, champion: str | None, approval: Approval | None, why: str) -> str:
    gated = [finding for finding in verdict.findings if finding.gated]
    if verdict.verdict is Result.ERROR:
        return f"could not tell whether merging is safe{_because(why)}"
    if verdict.verdict is Result.FAIL:
        worse = [finding for finding in gated if finding.outcome is Outcome.WORSE]
        return f"merging this makes the model worse{_because(_moves(worse))}"
    if verdict.blocked:
        return f"blocked, not proven to be safe{_because(_open(gated))}"
    if verdict.held:
        state = f"approved by {approval.actor}" if approval else "waiting for approval"
        return f"{state}{_because(_open(gated) or why)}"
    if champion is None:
        return "there is no champion yet, so there is nothing to compare with"
    if verdict.verdict is Result.INCONCLUSIVE:
        outside = any(f.outcome is Outcome.INCONCLUSIVE and not inside(f) for f in gated if f.slice is None)
        why = "the policy lets it pass" if outside else "no measured loss is larger than its margin"
        return f"not settled, but merging is allowed: {why}"
    if gated and all(finding.outcome is Outcome.UNCHANGED for finding in gated):
        return f"unchanged, it makes the same predictions as {champion}"
    better = [f for f in gated if f.outcome is Outcome.BETTER and f.slice is None]
    if better:
        return f"better than {champion}{_because(_moves(better))}"
    return f"no worse than {champion}"


def _because(reason: str) -> str:
    """Return a reason for the end of a headline: its first sentence, without the full stop."""
    first = " ".join(reason.split("\n", 1)[0].split()).rstrip(".")
    return f": {first}" if first else ""


def _moves(findings: Sequence[Finding]) -> str:
    """Return how much the first of some findings changed, in figures."""
    if not findings:
        return ""
    one, more = findings[0], len(findings) - 1
    also = f", and {more} more" if more else ""
    if one.champion is None or one.candidate is None or one.difference is None:
        return f"{place(one)}{also}"
    places = decimals(one)
    before, after = fixed(one.champion, places), fixed(one.candidate, places)
    word = "gain" if one.difference > 0 else "loss"
    size = fixed(abs(one.difference), places)
    accepted = (
        "" if one.outcome is Outcome.BETTER else f", more than the margin {stated(one.tolerance, places)}"
    )
    return f"{place(one)} {before} → {after}, a {word} of {size}{accepted}{also}"


def _open(gated: Sequence[Finding]) -> str:
    """Return which finding is inconclusive, and on which side of its margin its estimate lies."""
    pending = [f for f in gated if f.outcome is Outcome.INCONCLUSIVE and f.slice is None]
    outside = [finding for finding in pending if not inside(finding)]
    one = next(iter(outside or pending), None)
    if one is None:
        return ""
    if one.difference is None:
        return f"{place(one)} is not settled"
    margin, size = stated(one.tolerance, decimals(one)), fixed(abs(one.difference), decimals(one))
    if one.difference >= 0:
        unable = f"{one.n:,} rows" if one.interval is not None else "single numbers"
        return f"{place(one)} looks no worse, but {unable} cannot prove it"
    side = "outside" if outside else "inside"
    rows = f", and {one.n:,} rows are too few to tell" if one.interval is not None else ""
    return f"{place(one)} looks {size} worse, {side} the margin {margin}{rows}"


def inside(finding: Finding) -> bool:
    """Return whether an estimate lies inside its margin; an unknown one never does."""
    return finding.difference is not None and finding.difference >= -finding.tolerance


def reproduce_command(source: Source, model: str, *, several: bool = False) -> str:
    """Return the command that repeats a check locally; empty if its parts would need quoting.

    What a branch or a model is called ends up in a shell, so anything but plain names is left out.
    """
    if not re.fullmatch(r"[0-9a-f]{7,64}", source.head):
        return ""
    fetch = f"git fetch origin pull/{source.pull_request}/head && " if source.pull_request else ""
    plain_target = re.fullmatch(r"[A-Za-z0-9_][\w./-]*", source.target, re.ASCII)
    target = f" --target {source.target}" if plain_target else ""
    only = f" --model {model}" if several and re.fullmatch(r"[A-Za-z0-9_][\w.-]*", model, re.ASCII) else ""
    return f"{fetch}git checkout {source.head} && mlops-ci check{target}{only}"


def summary(verdict: Verdict, versus: str, rows: int) -> str:
    """Return the sentences under the headline: the findings that decided, and the rows they rest on.

    `rows` is the number of holdout rows that both models answered; 0 where only values were compared.
    """
    decisive = [finding for finding in verdict.findings if finding.gated and _decides(finding, verdict)]
    if decisive:
        said = " ".join(finding.message for finding in decisive[:3])
        more = f" (and {len(decisive) - 3} more)" if len(decisive) > 3 else ""
        return f"{said}{more} Compared with {versus}{_on(rows)}."
    gated = [finding for finding in verdict.findings if finding.gated and finding.slice is None]
    if not gated:
        return ""
    if all(finding.outcome is Outcome.UNCHANGED for finding in gated):
        return f"It makes the same predictions as {versus}."
    count = "The metric is" if len(gated) == 1 else f"All {len(gated)} metrics are"
    return f"{count} within the accepted margin of {versus}{_on(rows)}."


def _on(rows: int) -> str:
    return f" on the same {rows:,} holdout rows" if rows else " by logged values, not row by row"


def _decides(finding: Finding, verdict: Verdict) -> bool:
    deciding = {
        Result.ERROR: {Outcome.ERROR},
        Result.FAIL: {Outcome.WORSE},
        Result.INCONCLUSIVE: {Outcome.INCONCLUSIVE} if finding.slice is None else set(),
        Result.PASS: {Outcome.BETTER} if finding.slice is None else set(),
    }
    return finding.outcome in deciding[verdict.verdict]


def next_step(verdict: Verdict, head: str, approval: Approval | None, *, approvable: bool) -> str:
    """Return the next step for the reader."""
    if verdict.verdict is Result.ERROR:
        return "Fix the problem above and push again. No check passes without evidence that can be trusted."
    if verdict.verdict is Result.FAIL:
        return (
            "Improve the candidate and push again. If the loss is intended, change the margin in"
            " mlops-ci.yaml in a pull request of its own, where the team can see it."
        )
    if verdict.blocked:
        return _settles(verdict.findings)
    if verdict.held and approval is None:
        settle = f"{_settles(verdict.findings)} " if verdict.verdict is Result.INCONCLUSIVE else ""
        if not approvable:
            return f"{settle}In a pull request, someone with write access can approve it."
        return (
            f"{settle}To merge anyway, someone with write access who is not the author comments"
            f" `/mlops-ci accept {head} <reason>` and runs this job again; a new push asks again."
        )
    if verdict.held:
        return "The approval counts for this commit only: merge it, or push and ask again."
    if verdict.verdict is Result.INCONCLUSIVE:
        return f"Merging is allowed. {_settles(verdict.findings)}"
    if not verdict.findings:
        return (
            "Merging is allowed. If a model is in production already, make it the champion with"
            " `mlops-ci adopt`, so that the next change is compared with it."
        )
    return "Nothing to do: this is safe to merge."


def _settles(findings: Sequence[Finding]) -> str:
    """Say what would settle the findings that are open: rows, or predictions where some are missing."""
    pending = [finding for finding in findings if finding.outcome is Outcome.INCONCLUSIVE and finding.gated]
    if pending and all(finding.n == 0 for finding in pending):
        return (
            "Predictions of both models, one row per id, would settle it: set `evaluation.predictions` in"
            " mlops-ci.yaml; a champion that has none gets them by `mlops-ci adopt --predictions FILE`."
        )
    needed = [finding.rows_needed for finding in pending if finding.rows_needed]
    return f"More labelled rows would settle it{f' (about {max(needed):,} in all)' if needed else ''}."
