"""The trust boundary of settings: which keys a pull request may set for itself, and which not."""

from __future__ import annotations

from mlops_ci.settings.model import Settings

# Where things are in this change's tree. All else, above all metrics, gate, registry, the holdout and
# which secrets stages may see, is the target branch's to say.
PROPOSABLE = {
    "pipeline": ("targets",),
    "candidate": ("model", "run_id", "metrics"),
    "evaluation": ("predictions", "id", "target", "prediction", "score"),
}


def trusted(target: Settings, proposed: Settings | None) -> Settings:
    """Return the settings in force for a change: the target branch's, with the change's own paths.

    Parameters
    ----------
    target
        Settings at the tip of the target branch.
    proposed
        Settings in the change's tree, or None if it has none.
    """
    if proposed is None:
        return target
    blocks = {}
    for name, keys in PROPOSABLE.items():
        base, mine = getattr(target, name), getattr(proposed, name)
        # from what was written, so that a default is not taken for a wish
        kept = base.model_dump(exclude_unset=True, exclude=set(keys))
        blocks[name] = type(base).model_validate(
            kept | mine.model_dump(exclude_unset=True, include=set(keys))
        )
    return target.model_copy(update=blocks)


def own_keys(target: Settings, proposed: Settings | None) -> list[str]:
    """Return the keys of a change's own settings that are in force and differ from the target branch's."""
    if proposed is None:
        return []
    return [
        f"{name}.{key}"
        for name, keys in PROPOSABLE.items()
        for key in keys
        if getattr(getattr(target, name), key) != getattr(getattr(proposed, name), key)
    ]
