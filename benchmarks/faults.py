"""What check, promote and rollback make of every fault, at every request that they send.

    python -m benchmarks.faults [--world plain|s3|tls|tls-s3] [--kinds 1 | --mode html] [--seconds 420]

A first clean run enumerates the requests to MLflow, to the forge's API, to the ledger's git server and to S3.
Then each request in turn meets a fault once, and again from there on for ever; of the kinds of faults each
request gets one of each sort, the next ones with more `--kinds`, or all get the same `--mode`. After each
case the services are well again, `reconcile` runs, and ledger, aliases and versions have to be the old state
or the new one.

What was run is in ``benchmarks/results/faults-WORLD.json``, and is not run again; what had a problem is, and
with ``--every 8`` each eighth.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "tests"))
RESULTS = Path(__file__).parent / "results"
WORLDS = ("plain", "s3", "tls", "tls-s3")
PATIENT = "faults-patience.json"
Key = tuple[str, str, int, str, bool]


#: Seconds that a case may take with the shortened patience, on a machine that is busy with other things.
LONGEST = 60.0


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


def planned(
    world: str, clean: dict[str, dict[str, list[str]]], kinds: int, mode: str | None = None
) -> list[Any]:
    """Return the cases of a world: with S3 only the faults there, the others have had theirs without it."""
    from fakes.fault_proxy import MODES

    some = {
        verb: {name: asked for name, asked in found.items() if (name == "s3") == world.endswith("s3")}
        for verb, found in clean.items()
    }
    if world.startswith("tls"):
        # A certificate does not expire for one request alone.
        return [case for case in cases(some, 0, 1, ["expired"]) if case[2].times is None]
    if mode:
        return cases(some, 0, 1, [mode])
    modes = [mode for mode in MODES if mode != "expired"]
    return [case for offset in range(kinds) for case in cases(some, offset, 1, modes)]


@contextlib.contextmanager
def made(which: str) -> Iterator[Any]:
    """Start the services of a world."""
    import fault_parts
    from dvc_repo import make_dvc_repo
    from mlflow_parts import start_server
    from real_parts import s3_store

    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        for one in ("server", "world", "s3"):
            (folder / one).mkdir()
        template = make_dvc_repo(folder / "dvc")
        s3 = stack.enter_context(s3_store(folder / "s3")) if which.endswith("s3") else None
        artifacts = "s3://mlflow/artifacts" if s3 else None
        server = stack.enter_context(start_server(folder / "server", artifacts=artifacts))
        tls = which.startswith("tls")
        options = {"tls": tls, "s3": s3, "patient": which.startswith("patience")}
        world = fault_parts.world(folder / "world", server, template, **options)
        yield stack.enter_context(world)


def key(row: dict[str, Any]) -> Key:
    return row["verb"], row["service"], row["at"], row["fault"], row["once"]


def _key_of(case: Any) -> Key:
    verb, service, fault = case
    return verb, service, fault.at, fault.mode, fault.times is not None


def run(
    which: str, rows: list[dict[str, Any]], *, kinds: int, mode: str | None, every: int, seconds: float
) -> dict[str, dict[str, int]]:
    """Run what is not done yet, or every so many-th anew, as far as the time goes; return the requests."""
    import fault_parts

    done = {key(row) for row in rows if not row["problems"]}
    with made(which) as world, fault_parts.impatient():
        clean = {verb: world.clean(verb) for verb in fault_parts.VERBS}
        end, todo = time.monotonic() + seconds, planned(which, clean, kinds, mode)
        todo = [
            case
            for number, case in enumerate(todo)
            if (number % every == 0 if every else _key_of(case) not in done)
        ]
        print(f"{which}: {len(todo)} cases to run", flush=True)
        for number, (verb, service, fault) in enumerate(todo):
            if time.monotonic() > end:
                print(f"{which}: {len(todo) - number} cases are left", flush=True)
                break
            one = world.run(verb, service, fault)
            row = {
                "verb": verb,
                "service": service,
                "at": fault.at,
                "request": one.request,
                "fault": fault.mode,
                "once": fault.times is not None,
                "code": one.code,
                "seconds": round(one.seconds, 1),
                "problems": list(one.problems),
            }
            if one.seconds > LONGEST:
                row["problems"].append(f"took {one.seconds:.0f} s")
            if row["problems"]:
                row["said"] = one.said
                print(json.dumps(row), flush=True)
            rows[:] = [old for old in rows if key(old) != key(row)] + [row]
    return {verb: {name: len(asked) for name, asked in found.items()} for verb, found in clean.items()}


def hang(place: Path) -> None:
    """Let each service hang for ever, with the patience that users have; write how long it took."""
    import fault_parts
    from fakes.fault_proxy import Fault

    rows = read(place)["cases"]
    with made("patience-s3") as world:
        clean = {verb: world.clean(verb) for verb in fault_parts.VERBS}
        s3 = clean["check"]["s3"]
        to_mlflow = [at for at, asked in enumerate(s3) if " /mlflow" in asked]
        sent = next(at for at in to_mlflow if s3[at].startswith("PUT"))
        fetched = next(at for at in to_mlflow if "HEAD" in s3[at]) + 1
        points = [("check", "mlflow", 0), ("check", "mlflow", 6), ("check", "forge", 0), ("check", "s3", 0)]
        points += [("check", "s3", at) for at in (to_mlflow[0], fetched, sent)]
        points += [("promote", "git", 0), ("promote", "git", 5), ("rollback", "mlflow", 9)]
        for verb, service, at in points:
            if any((row["verb"], row["service"], row["at"]) == (verb, service, at) for row in rows):
                continue
            one = world.run(verb, service, Fault("slow", at))
            row = {"verb": verb, "service": service, "at": at, "request": one.request, "code": one.code}
            row |= {"seconds": round(one.seconds), "said": one.said, "problems": list(one.problems)}
            print(json.dumps(row), flush=True)
            rows.append(row)
            place.write_text(json.dumps({"cases": rows}, indent=1) + "\n")


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return what came of the cases, as rows of a Markdown table."""
    from fault_parts import RIGHT

    counted: dict[tuple[str, str, str], Counter[str]] = {}
    longest: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        how = "certificate" if row["fault"] == "expired" else "once" if row["once"] else "from there on"
        group = row["service"], row["verb"], how
        right = {RIGHT[row["verb"]]: "right", 4: "service"}
        sort = "wrong" if row["problems"] else right.get(row["code"], "wrong")
        counted.setdefault(group, Counter())[sort] += 1
        longest[group] = max(longest[group], row["seconds"])
    return [
        f"| {service} | `{verb}` | {how} | {found['right']} | {found['service']} | {found['wrong']} "
        f"| {longest[service, verb, how]} |"
        for (service, verb, how), found in sorted(counted.items())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", choices=WORLDS, default="plain")
    parser.add_argument("--kinds", type=int, default=1)
    parser.add_argument("--mode", help="this kind of fault alone, at every request")
    parser.add_argument("--every", type=int, default=0, help="run each so many-th case, done or not")
    parser.add_argument("--seconds", type=float, default=420)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="only print what is in the results")
    parser.add_argument("--patience", action="store_true", help="how long services may hang; 30 minutes")
    options = parser.parse_args()
    if options.patience:
        hang(options.results / PATIENT)
        return
    if not options.table:
        place = options.results / f"faults-{options.world}.json"
        rows = read(place)["cases"]
        some = {name: getattr(options, name) for name in ("kinds", "mode", "every", "seconds")}
        requests = run(options.world, rows, **some)
        rows.sort(key=key)
        text = json.dumps({"requests": requests, "load": os.getloadavg()[1]})
        listed = ",\n".join(json.dumps(row) for row in rows)
        place.write_text(f'{text[:-1]}, "cases": [\n{listed}\n]}}\n')
    rows = [row for world in WORLDS for row in read(options.results / f"faults-{world}.json")["cases"]]
    print("\n".join(table(rows)))
    print(len(rows), "cases,", sum(bool(row["problems"]) for row in rows), "with a problem")


def read(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(place.read_text()) if place.exists() else {"cases": []}
    return found


if __name__ == "__main__":
    main()
