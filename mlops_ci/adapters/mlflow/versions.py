"""Model versions and their aliases."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from mlops_ci.adapters.mlflow.client import clause, pages
from mlops_ci.adapters.mlflow.errors import EXISTS, INVALID, MISSING, or_none, retry_on_collision
from mlops_ci.core import tags as tag
from mlops_ci.errors import ConflictError, EvidenceError


def aliased(client: Any, model: str, alias: str) -> Any | None:
    """Return the version that an alias names, or None if there is no such model or alias.

    Raises
    ------
    EvidenceError
        If the alias is gone together with the version that it named: a deleted champion must not
        read as "no champion yet".
    """
    version = or_none(lambda: client.get_model_version_by_alias(model, alias), MISSING, INVALID)
    if version is not None:
        return version
    registered = or_none(lambda: client.get_registered_model(model), MISSING)
    if registered is None:
        return None
    named = registered.aliases.get(alias)
    if named is not None:
        version = or_none(lambda: client.get_model_version(model, str(named)), MISSING)
    last = named or registered.tags.get(tag.alias(alias))
    if version is None and last is not None:
        raise EvidenceError(
            f"the alias '{alias}' of model '{model}' is gone: it last named version {last}, "
            "which may have been deleted",
            remedy="Point it at a version again (`mlops-ci rollback` does); to start without one, "
            f"delete the model's tag '{tag.alias(alias)}' in MLflow.",
        )
    return version


def create(client: Any, model: str, run: Any, tags: Mapping[str, str]) -> Any:
    """Return a version of the run's model, made only if the run has none yet of these very bytes.

    A retry after a lost answer, or after a crash, thus finds the version that was made.
    """
    run_id = run.info.run_id
    for version in client.search_model_versions(f"run_id = '{run_id}'"):
        same = version.tags.get(tag.MODEL_DIGEST) == tags.get(tag.MODEL_DIGEST)
        if version.name == model and version.status == "READY" and same:
            for name, value in tags.items():
                if version.tags.get(name) != value:
                    tag_version(client, model, str(version.version), {name: value})
            return version

    path = PurePosixPath(run.data.tags[tag.MODEL_PATH])
    folder = (
        path if run.data.tags.get(tag.LOADABLE) == "true" or path.name == tag.MODEL_ARTIFACT else path.parent
    )
    source = f"{run.info.artifact_uri.rstrip('/')}/{folder}"

    def make() -> Any:
        return client.create_model_version(model, source, run_id, tags=dict(tags), await_creation_for=60)

    made = or_none(lambda: retry_on_collision(make))
    if made is None:
        or_none(lambda: client.create_registered_model(model), EXISTS)
        made = retry_on_collision(make)
    return made


def newest(client: Any, model: str, limit: int) -> list[Any]:
    """Return the newest versions of a model, newest first."""
    said = clause("name", model)
    order = ["version_number DESC"]
    # A name that no filter can say is looked for among all versions.
    found = pages(lambda token: client.search_model_versions(said, order_by=order, page_token=token))
    return list(islice((version for version in found if version.name == model), limit))


def existing(client: Any, model: str, version: str) -> Any:
    """Return a version; an EvidenceError if there is none."""
    found = or_none(lambda: client.get_model_version(model, version), MISSING, INVALID)
    if found is None:
        raise EvidenceError(
            f"model '{model}' has no version {version}",
            remedy="Choose another version: this one may have been deleted.",
        )
    return found


def tag_version(client: Any, model: str, version: str, tags: Mapping[str, str]) -> None:
    """Write tags on a version."""
    for name, value in tags.items():
        retry_on_collision(partial(client.set_model_version_tag, model, version, name, value))


def point(client: Any, model: str, alias: str, version: str) -> None:
    """Point an alias at a version, read it back, and record it as a tag of the model.

    Raises
    ------
    EvidenceError
        If there is no such version.
    ConflictError
        If the alias names another version afterwards: someone else moved it at the same time.
    """
    existing(client, model, version)
    retry_on_collision(lambda: client.set_registered_model_alias(model, alias, version))
    now = aliased(client, model, alias)
    if now is None or str(now.version) != version:
        found = "nothing" if now is None else f"version {now.version}"
        raise ConflictError(
            "MLflow",
            f"the alias '{alias}' of model '{model}' was set to version {version} but names {found}",
            remedy="Someone else moved it at the same time: look who, then run this again.",
        )
    retry_on_collision(lambda: client.set_registered_model_tag(model, tag.alias(alias), version))
