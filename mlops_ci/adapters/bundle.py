"""Evidence bundles on disk: written by `reproduce`, and read back by `check` as hostile input."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from pydantic import TypeAdapter, ValidationError

from mlops_ci.adapters import strict_json
from mlops_ci.adapters.files import file_digest, path_digest
from mlops_ci.adapters.ports import Evidence
from mlops_ci.core.bundle import BUNDLE_VERSION, MANIFEST, Manifest, folder_name, inside
from mlops_ci.core.lineage import canonical_json
from mlops_ci.core.report import plain
from mlops_ci.errors import EvidenceError

MAX_MANIFEST = 8 * 2**20
MAX_FILES = 20_000
MAX_NAME = 1024
MAX_BYTES = 2**36
REMEDY = "run `mlops-ci reproduce` again, and hand its folder over as it is"


def write_bundle(evidence: Evidence, into: Path) -> Path:
    """Write one model's evidence into its folder under `into`; the manifest comes last.

    A folder without a manifest is no bundle, so that a crash leaves nothing to mistake for one.
    """
    folder = into / folder_name(evidence.manifest.model)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, place in evidence.places.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir():
            _refuse_links(place)
            shutil.copytree(place, target)
        else:
            shutil.copyfile(place, target)
    files = {path.relative_to(folder).as_posix(): file_digest(path) for path in _regular_files(folder)}
    manifest = replace(evidence.manifest, files=files)
    partial = folder / f"{MANIFEST}.partial"
    partial.write_bytes(canonical_json(plain(manifest)))
    partial.rename(folder / MANIFEST)
    return folder


def read_bundle(folder: Path, model: str) -> Evidence:
    """Read one model's evidence, as untrusted input.

    Raises
    ------
    EvidenceError
        If there is no bundle for the model, or anything in it is not as its manifest says.
    """
    place = folder / folder_name(model)
    if not (place / MANIFEST).is_file() or place.is_symlink():
        raise EvidenceError(f"{folder}: there is no evidence for the model '{model}'", remedy=REMEDY)
    manifest = _manifest(place / MANIFEST)
    if manifest.model != model:
        _refuse(place, f"it is about the model '{manifest.model:.80}', not '{model}'")
    if manifest.failure is not None:
        return Evidence(manifest=manifest, places={})
    found = {path.relative_to(place).as_posix(): path for path in _regular_files(place)}
    if sum(path.stat().st_size for path in found.values()) > MAX_BYTES:
        _refuse(place, f"it has more than {MAX_BYTES:,} bytes")
    del found[MANIFEST]
    if set(found) != set(manifest.files):
        odd = sorted(set(found) ^ set(manifest.files))
        _refuse(place, f"its files are not those of the manifest ('{odd[0]:.80}' and {len(odd) - 1} more)")
    for name, path in found.items():
        if file_digest(path) != manifest.files[name]:
            _refuse(place, f"the digest of '{name:.80}' does not match")
    named = (
        manifest.predictions,
        manifest.holdout,
        manifest.holdout_folder,
        manifest.dvc_lock,
        manifest.model_path,
        *manifest.profiles.values(),
    )
    places = {name: place / name for name in named if name is not None}
    for name, path in places.items():
        if not inside(name) or not _exists(path):
            _refuse(place, f"it names '{name:.80}', which is not in it")
    _prove_model(place, manifest, places)
    return Evidence(manifest=manifest, places=places)


def _prove_model(place: Path, manifest: Manifest, places: dict[str, Path]) -> None:
    """Refuse a digest that does not match the model's bytes: it decides whether this is the champion."""
    digest = path_digest(places[manifest.model_path]) if manifest.model_path else None
    if digest != manifest.model_digest:
        _refuse(place, "the digest of the model is not that of its bytes")


def _manifest(path: Path) -> Manifest:
    if path.is_symlink() or path.stat().st_size > MAX_MANIFEST:
        _refuse(path, f"it is a link, or larger than {MAX_MANIFEST} bytes")
    try:
        raw = strict_json.parse(path.read_bytes())
    except ValueError as error:
        _refuse(path, f"not JSON: {error}")
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version != BUNDLE_VERSION:
        _refuse(path, f"its schema_version is {version!s:.20}, this mlops-ci reads {BUNDLE_VERSION}")
    try:
        return TypeAdapter(Manifest).validate_python(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part)[:40] for part in first["loc"])
        _refuse(path, f"{where:.200}: {first['msg']:.200}")


def _exists(path: Path) -> bool:
    return len(str(path)) < MAX_NAME and len(path.name.encode()) < 256 and path.exists()


def _refuse(place: Path, problem: str) -> NoReturn:
    raise EvidenceError(f"{place}: {problem}", remedy=REMEDY)


def _refuse_links(folder: Path) -> None:
    for _ in _regular_files(folder):
        pass


def _regular_files(folder: Path) -> Iterator[Path]:
    """Walk an untrusted folder; anything but plain files and folders is refused."""
    count = 0
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            _refuse(folder, f"'{path.relative_to(folder).as_posix():.80}' is a link or a special file")
        if stat.S_ISREG(mode):
            count += 1
            if count > MAX_FILES:
                _refuse(folder, f"it has more than {MAX_FILES} files")
            yield path
