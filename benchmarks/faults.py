"""What check, promote and rollback make of every fault, at every request that they send.

    python -m benchmarks.faults [--offset 0] [--step 1] [--seconds 300] [--tls] [--output FILE]

A first clean run enumerates the requests to MLflow, to the forge's API and to the ledger's git server. Then
each request in turn meets a fault once, and again from there on for ever; of the kinds of faults each
request gets one a run, the next one with the next ``--offset``: eight runs show every fault to every
request. After each case the services are well again, `reconcile` runs, and ledger, aliases and versions have
to be the old state or the new one.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "tests"))


def cases(clean: dict[str, dict[str, list[str]]], offset: int, step: int, modes: list[str]) -> list[Any]:
    """Return verb, service and fault of each case."""
    from fakes.fault_proxy import Fault

    return [
        (
            verb,
            service,
            Fault(modes[(at // step + offset + (4 if times is None else 0)) % len(modes)], at, times),
        )
        for verb, services in clean.items()
        for service, requests in services.items()
        for at in range(offset % step, len(requests), step)
        for times in (1, None)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--skip", type=int, default=0, help="cases to leave out at the beginning")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--tls", action="store_true", help="expired certificates instead of the other faults")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    import fault_parts
    from dvc_repo import make_dvc_repo
    from fakes.fault_proxy import MODES
    from mlflow_parts import start_server

    modes = ["expired"] if options.tls else [mode for mode in MODES if mode != "expired"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for one in ("server", "world"):
            (folder / one).mkdir()
        template = make_dvc_repo(folder / "dvc")
        with (
            start_server(folder / "server") as server,
            fault_parts.world(folder / "world", server, template, tls=options.tls) as world,
            fault_parts.impatient(),
        ):
            clean = {verb: world.clean(verb) for verb in fault_parts.VERBS}
            planned = cases(clean, options.offset, options.step, modes)[options.skip :]
            end, outcomes = time.monotonic() + options.seconds, []
            for verb, service, fault in planned:
                if time.monotonic() > end:
                    break
                outcomes.append(world.run(verb, service, fault))
                if outcomes[-1].problems:
                    print(outcomes[-1], flush=True)
    counted = Counter(
        (one.verb, one.service, one.fault.mode, "once" if one.fault.times else "on", str(one.code))
        for one in outcomes
    )
    figures = {
        "requests": {
            verb: {name: len(asked) for name, asked in found.items()} for verb, found in clean.items()
        },
        "offset": options.offset,
        "step": options.step,
        "planned": len(planned),
        "cases": len(outcomes),
        "with a problem": sum(bool(one.problems) for one in outcomes),
        "longest case (s), patience shortened": round(max((one.seconds for one in outcomes), default=0), 1),
        "load when it ended": [round(one, 1) for one in os.getloadavg()],
        "outcomes": [[*key, count] for key, count in sorted(counted.items())],
        "problems": [
            {
                "verb": one.verb,
                "request": one.request,
                "fault": str(one.fault),
                "said": one.said,
                "problems": one.problems,
            }
            for one in outcomes
            if one.problems
        ],
    }
    text = json.dumps(figures, indent=1)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
