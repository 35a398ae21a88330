"""How many promotions are lost when several processes promote at once: our ledger beside plain alias writes.

    python -m benchmarks.ledger_race [--promoters 8] [--rounds 25] [--server postgres] [--output FILE]

Each promoter is a process of its own with its own clone of the ledger and its own MLflow client. In each
round all of them see the same champion and try to replace it by their own version. The settings are worse
than life: one git identity, a stopped clock, and every fourth push loses its answer after it was accepted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import platform
import random
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.servers import mlflow_on_postgres, mlflow_on_sqlite
from mlops_ci.adapters.ledger import GitLedger
from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.commands.champion import ChampionMover
from mlops_ci.core.ledger_state import moves, state_of
from mlops_ci.errors import ConflictError
from mlops_ci.settings import Settings

MODEL = "raced"
LOST_ANSWERS = 0.25
PATIENCE = 1200
"""Seconds to wait for the slowest promoter: the machine may be busy with other things."""
PRELOADED = ["mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store"]


class Unlucky(GitLedger):
    """A ledger some of whose pushes lose their answer after the remote has accepted them."""

    def _push(self, commit: str) -> str:
        said = super()._push(commit)
        return "fatal: the remote end hung up unexpectedly" if random.random() < LOST_ANSWERS else said


def stopped_clock() -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)


def mover_of(uri: str, remote: Path, folder: Path) -> ChampionMover:
    """Return what one promoter works with: its own clone, its own client, everyone's identity."""
    settings = Settings.model_validate(
        {"registry": {"model": MODEL}, "metrics": {"accuracy": {"margin": 0.01}}}
    )
    tools: Any = SimpleNamespace(now=stopped_clock, actor="bot", scratch=folder)
    ledger = Unlucky(str(remote), folder / "ledger.git", now=stopped_clock)
    return ChampionMover(
        settings=settings, tools=tools, registry=MlflowRegistry(uri, root=folder), ledger=ledger
    )


def by_ledger(number: int, uri: str, remote: Path, rounds: int, barrier: Any, results: Any) -> None:
    """Promote through the ledger; who loses decides again, and finds the new champion as good as its own."""
    random.seed(number)
    with tempfile.TemporaryDirectory() as name:
        mover = mover_of(uri, remote, Path(name))
        for round_ in range(rounds):
            history = mover.read()
            barrier.wait()
            entry = mover.entry("promote", "intent", to_version=str(number + 1), reason=f"round {round_}")
            won = False
            try:
                history = mover.ledger.append(history, entry)
                won = True
            except ConflictError:
                history = mover.read()
            # The losers help: whoever meets an unfinished decision finishes it.
            mover.apply_decision(history)
            results.put((round_, number, won, entry.nonce, state_of(mover.read()).champion))
            barrier.wait()
            barrier.wait()


def by_alias(number: int, uri: str, rounds: int, barrier: Any, results: Any) -> None:
    """Promote as MLflow's own documentation does: set the alias."""
    with tempfile.TemporaryDirectory() as name:
        registry = MlflowRegistry(uri, root=Path(name))
        mine = str(number + 1)
        for round_ in range(rounds):
            barrier.wait()
            with registry._connection.calls("race") as client:
                for _ in range(20):
                    try:
                        client.set_registered_model_alias(MODEL, "plain", mine)
                        break
                    except Exception:  # noqa: BLE001 (the database was locked: a user would try again)
                        time.sleep(0.05)
                seen = str(client.get_model_version_by_alias(MODEL, "plain").version)
            results.put((round_, number, seen == mine, mine, seen))
            barrier.wait()
            barrier.wait()


def race(
    target: Any, arguments: tuple[Any, ...], promoters: int, rounds: int, after_round: Any
) -> tuple[list[list[Any]], float]:
    """Run all promoters; `after_round` looks at the world while they wait. Return results by round."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mlops_ci.adapters.mlflow.registry", *PRELOADED])
    barrier, results = context.Barrier(promoters + 1), context.Queue()
    processes = [
        context.Process(target=target, args=(number, *arguments, rounds, barrier, results))
        for number in range(promoters)
    ]
    for process in processes:
        process.start()
    by_round = []
    try:
        busy = 0.0
        for round_ in range(rounds):
            barrier.wait(PATIENCE)
            start = time.monotonic()
            barrier.wait(PATIENCE)
            busy += time.monotonic() - start
            found = [results.get(timeout=PATIENCE) for _ in range(promoters)]
            assert {one[0] for one in found} == {round_}
            by_round.append(found)
            after_round(round_, found)
            barrier.wait(PATIENCE)
    finally:
        for process in processes:
            process.join(30)
            if process.is_alive():
                process.kill()
    return by_round, busy


def registered(uri: str, folder: Path, promoters: int) -> MlflowRegistry:
    """Make the model with one version a promoter."""
    registry = MlflowRegistry(uri, root=folder)
    with registry._connection.calls("prepare") as client:
        client.create_registered_model(MODEL)
        for _ in range(promoters):
            client.create_model_version(MODEL, "s3://nowhere/model")
    return registry


def run(promoters: int, rounds: int, uri: str | None = None) -> dict[str, Any]:
    """Run both races and return their figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        remote = folder / "remote.git"
        subprocess.run(["git", "init", "-q", "--bare", str(remote)], check=True)
        uri = uri or f"sqlite:///{folder / 'mlflow.db'}"
        registry = registered(uri, folder, promoters)
        ledger = GitLedger(str(remote), folder / "watcher.git")
        disagreeing: list[int] = []

        def compare_all(round_: int, _: Any) -> None:
            champion = state_of(ledger.read(MODEL)).champion
            if registry.aliases(MODEL).get("champion") != champion:
                disagreeing.append(round_)

        ours, took = race(by_ledger, (uri, remote), promoters, rounds, compare_all)
        history = ledger.read(MODEL)
        intents = list(moves(history.entries))
        won = [nonce for found in ours for _, _, success, nonce, _ in found if success]
        last: list[str] = []

        def look(_: int, __: Any) -> None:
            last.append(registry.aliases(MODEL)["plain"])

        plain, plain_took = race(by_alias, (uri,), promoters, rounds, look)
        return {
            "promoters": promoters,
            "rounds": rounds,
            "registry": uri.partition(":")[0],
            "versions": {one: version(one) for one in ("mlflow",)} | {"python": platform.python_version()},
            "ledger": {
                "rounds with exactly one winner": sum(sum(o[2] for o in found) == 1 for found in ours),
                "winners": len(won),
                "promotions in the ledger": len(intents),
                "winners missing from the ledger": len(set(won) - {entry.nonce for entry in intents}),
                "entries twice": len(history.entries) - len({entry.nonce for entry in history.entries}),
                "promotions not finished": int(state_of(history).open is not None),
                "rounds after which alias and ledger differ": len(disagreeing),
                "losers that saw the winner": sum(
                    o[4] == str(1 + next(w[1] for w in found if w[2]))
                    for found in ours
                    for o in found
                    if not o[2]
                ),
                "losers": sum(not o[2] for found in ours for o in found),
                "seconds a round": round(took / rounds, 2),
            },
            "plain alias writes": {
                "writes": promoters * rounds,
                "read-back showed another's version": sum(not o[2] for found in plain for o in found),
                "believed to have won, and lost": sum(
                    o[2] and o[3] != last[index] for index, found in enumerate(plain) for o in found
                ),
                "history of what happened": "none",
                "seconds a round": round(plain_took / rounds, 2),
            },
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--promoters", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--tracking-uri")
    parser.add_argument("--server", choices=["sqlite", "postgres"], help="start an MLflow server on this")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        uri = options.tracking_uri
        if options.server:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            folder.chmod(0o755)
            start = {"sqlite": mlflow_on_sqlite, "postgres": mlflow_on_postgres}[options.server]
            uri = stack.enter_context(start(folder))
        figures = run(options.promoters, options.rounds, uri)
    figures["server"] = options.server or "none"
    figures["load when it ended"] = [round(one, 1) for one in os.getloadavg()]
    text = json.dumps(figures, indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
