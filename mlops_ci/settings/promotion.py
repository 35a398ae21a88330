"""The block `promotion`: deployment commands and environments."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from mlops_ci.settings.block import Alias, Block

EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class EnvironmentSettings(Block):
    """One environment: the keys that differ there. All others are as in `registry` and `promotion`."""

    after: str | None = None
    """Environment whose champion is promoted into this one; without it, what a check judged is."""
    model: str | None = Field(default=None, min_length=1)
    """Name of the registered model."""
    champion: Alias | None = None
    """Alias of the version in force."""
    challenger: Alias | None = None
    """Alias of the version that serves as a canary."""
    previous: Alias | None = None
    """Alias of the version that a rollback goes to; with a `champion` of its own `<champion>-previous`."""
    tracking_uri: str | None = None
    """MLflow server of this environment; comes before flags, inputs and variables."""
    registry_uri: str | None = None
    """MLflow registry of this environment, where it is not the tracking server."""
    token_variable: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the variable that holds the token for `tracking_uri`; by default MLflow's own variables."""
    deploy_command: str | None = None
    """Run after the alias moved."""
    probe_command: str | None = None
    """Prints the version that is being served, on its last line."""
    probe_timeout: Annotated[float, Field(ge=0)] | None = None
    """Seconds until the probe has to agree."""


class PromotionSettings(Block):
    """What moves traffic."""

    deploy_command: str | None = None
    """Run after the alias moved."""
    probe_command: str | None = None
    """Prints the version that is being served, on its last line."""
    probe_timeout: Annotated[float, Field(ge=0)] = 60
    """Seconds until the probe has to agree."""
    ledger: str | None = None
    """Git address of the history of promotions; by default the repository's own remote."""
    ledger_branch: str = Field(default="mlops-ci-ledger", pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")
    """Branch of that history."""
    previous: Alias = "previous"
    """Alias of the version that a rollback goes to."""
    environments: dict[EnvironmentName, EnvironmentSettings] = {}
    """Environments by name, each with what is other there."""
    environment: str | None = None
    """The one that `check` compares with, and that is moved where `--environment` names no other."""

    @model_validator(mode="after")
    def _environments_fit(self) -> PromotionSettings:
        known = self.environments
        problems = []
        if self.environment is not None and self.environment not in known:
            problems.append(f"environment '{self.environment}' is not among `environments`")
        for name, one in known.items():
            if one.after is not None and (one.after not in known or one.after == name):
                problems.append(f"environments.{name}.after: '{one.after}' is not another environment")
        if problems:
            raise ValueError("\n".join(problems))
        return self
