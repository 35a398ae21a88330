"""The ports: Protocols that commands call and adapters implement, and the values that pass between them."""

from mlops_ci.adapters.ports.console import Console
from mlops_ci.adapters.ports.data import Columns, Evaluations, Evidence, Files, Frames, Traffic
from mlops_ci.adapters.ports.forge import Forge, PullRequest
from mlops_ci.adapters.ports.ledger import Ledger
from mlops_ci.adapters.ports.pipeline import Pipeline, PipelineRun, Repository
from mlops_ci.adapters.ports.registry import CandidateRecord, Champion, Registry

__all__ = [
    "CandidateRecord",
    "Champion",
    "Columns",
    "Console",
    "Evaluations",
    "Evidence",
    "Files",
    "Forge",
    "Frames",
    "Ledger",
    "Pipeline",
    "PipelineRun",
    "PullRequest",
    "Registry",
    "Repository",
    "Traffic",
]
