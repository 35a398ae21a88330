"""Profiles of Spark data frames: each partition counts its own cells, and the driver adds them up.

Only counts leave the workers, as arrays. The passes are those of one machine (`sketching.sketch_steps`),
so the profile is the same. The workers need this package installed.
"""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlops_ci.adapters.data.profiling import Storage, is_text, level_counts
from mlops_ci.core.drift.column_profile import ColumnProfile
from mlops_ci.core.drift.counting import Counter
from mlops_ci.core.drift.profile import Profile
from mlops_ci.core.drift.profile_builders import TextCounter, time_counts, time_parts
from mlops_ci.core.drift.sketching import Steps, sketch_steps

Array = NDArray[Any]
State = Mapping[str, Array]


class _Look:
    """First pass over a column: counts rows and NULLs, and finds bounds, categories, weekdays and hours."""

    def __init__(self, dtype: Any, kind: str | None) -> None:
        flat = dtype.value_type if pa.types.is_dictionary(dtype) else dtype
        texts = is_text(flat) or pa.types.is_boolean(flat) or pa.types.is_nested(flat) or kind == "category"
        self.storage = None if texts else Storage.of(flat)
        self.texts = TextCounter()
        self.rows = self.nulls = 0
        self.bounds: list[Any] = []
        self.times = np.zeros(31, dtype=np.int64)

    def add(self, raw: Any) -> None:
        """Add one Arrow array."""
        self.rows += len(raw)
        if self.storage is None:
            levels, counts, nulls = level_counts(raw)
            self.texts.add(levels, counts)
            self.nulls += nulls
            return
        values, nulls = self.storage.values(raw)
        self.nulls += nulls
        if len(values):
            self.bounds += [np.fmin.reduce(values), np.fmax.reduce(values)]
        if self.storage.times:
            self.times += time_counts(values)

    def state(self) -> State:
        """Return the state as arrays, for another process."""
        counts = np.array([self.rows, self.nulls], dtype=np.int64)
        return {"counts": counts, "bounds": np.array(self.bounds), "times": self.times, **self.texts.state()}

    def absorb(self, state: State) -> None:
        """Add the state of another partition."""
        self.rows += int(state["counts"][0])
        self.nulls += int(state["counts"][1])
        self.bounds += list(state["bounds"])
        self.times += state["times"]
        self.texts.absorb(state)


def profile_frame(frame: Any, *, kinds: Mapping[str, str] | None = None) -> Profile:
    """Return the profile of a Spark data frame; see `mlops_ci.profile`.

    Parameters
    ----------
    frame
        A `pyspark.sql.DataFrame`; it is read a few times: cache it if that is dear.
    kinds
        ``category``, ``number`` or ``text`` for columns that are to be taken as such.
    """
    schema = _arrow_schema(frame)
    kinds = kinds or {}
    looks = {name: _Look(schema.field(name).type, kinds.get(name)) for name in schema.names}
    empty = {name: (schema.field(name).type, kinds.get(name)) for name in schema.names}
    _run(frame, lambda: {name: _Look(*given) for name, given in empty.items()}, _add_raw, looks)
    steps = {name: _steps(look) for name, look in looks.items() if look.storage is not None}
    sketches = _sketched(frame, steps, {name: cast(Storage, looks[name].storage) for name in steps})
    columns = {}
    for name, look in looks.items():
        dtype = str(schema.field(name).type)
        if look.storage is None:
            kind = cast(Any, kinds.get(name))
            columns[name] = look.texts.profile(rows=look.rows, missing=look.nulls, dtype=dtype, kind=kind)
            continue
        sketch, missing = sketches[name]
        made = ColumnProfile(
            kind="number", dtype=dtype, rows=look.rows, missing=look.nulls + missing, sketch=sketch
        )
        if look.storage.times:
            made = replace(made, kind="time", parts=time_parts(look.times))
        columns[name] = made if sketch.n else replace(made, kind="empty")
    rows = next(iter(looks.values())).rows if looks else 0
    return Profile(rows=rows, columns=columns)


def _arrow_schema(frame: Any) -> Any:
    from pyspark.sql.pandas.types import to_arrow_schema  # noqa: PLC0415

    if "timezone" in inspect.signature(to_arrow_schema).parameters:  # from Spark 4 on
        return to_arrow_schema(frame.schema, timezone="UTC")
    return to_arrow_schema(frame.schema)


def _steps(look: _Look) -> Steps:
    low, high = (np.fmin.reduce(look.bounds), np.fmax.reduce(look.bounds)) if look.bounds else (None, None)
    assert look.storage is not None  # noqa: S101
    return sketch_steps(rows=look.rows, low=low, high=high, floats=look.storage.floats)


def _sketched(frame: Any, steps: dict[str, Steps], storages: Mapping[str, Storage]) -> dict[str, Any]:
    """Run the passes of all columns together, one Spark job per round."""
    done: dict[str, Any] = {}
    active: dict[str, Counter] = {}

    def advance(name: str) -> None:
        try:
            active[name] = next(steps[name])
        except StopIteration as end:
            done[name] = end.value
            active.pop(name, None)

    for name in steps:
        advance(name)
    while active:
        empty = {name: counter.fresh() for name, counter in active.items()}
        kept = {name: storages[name] for name in active}

        def add(counters: Mapping[str, Any], batch: Any, kept: Mapping[str, Storage] = kept) -> None:
            for name, counter in counters.items():
                counter.add(kept[name].values(batch.column(batch.schema.get_field_index(name)))[0])

        def start(empty: Mapping[str, Counter] = empty) -> dict[str, Counter]:
            return {name: counter.fresh() for name, counter in empty.items()}

        _run(frame.select(*[f"`{name}`" for name in active]), start, add, active)
        for name in list(active):
            advance(name)
    return done


def _add_raw(counters: Mapping[str, Any], batch: Any) -> None:
    for place, name in enumerate(batch.schema.names):
        counters[name].add(batch.column(place))


def _run(
    frame: Any,
    start: Callable[[], Mapping[str, Any]],
    add: Callable[[Mapping[str, Any], Any], None],
    totals: Mapping[str, Any],
) -> None:
    """Fill counters on every partition, and absorb them all into `totals`."""

    def partition(batches: Iterable[Any]) -> Iterator[Any]:
        counters = start()
        for batch in batches:
            add(counters, batch)
        names, blobs = list(counters), [_packed(counter.state()) for counter in counters.values()]
        yield pa.RecordBatch.from_arrays(
            [pa.array(names, pa.string()), pa.array(blobs, pa.binary())], names=["name", "state"]
        )

    for row in frame.mapInArrow(partition, "name string, state binary").toLocalIterator():
        totals[row["name"]].absorb(_unpacked(bytes(row["state"])))


def _packed(state: State) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **cast(Any, state))
    return buffer.getvalue()


def _unpacked(blob: bytes) -> State:
    with np.load(io.BytesIO(blob), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
