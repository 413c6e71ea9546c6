"""The hyperparameters of a run that TensorBoard's HPARAMS tab has columns for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from seqvise.config.overrides import split_override, swept_targets
from seqvise.config.schema import NODES, Scalar

HYDRA, OVERRIDES, SWEEP = ".hydra/hydra.yaml", ".hydra/overrides.yaml", "multirun.yaml"
GROUPS = ("experiment", *NODES)
"""Groups whose choice is a hyperparameter."""


def board_columns(values: Mapping[str, Scalar], run: Path) -> dict[str, Scalar]:
    """The model and the keys that the sweep varies or, outside a sweep, that the command line sets.

    All other hyperparameters are constants, which would hide these: TensorBoard shows the first five.

    Args:
        values: all hyperparameters of the run.
        run: the run directory, with the files that Hydra writes.

    Returns:
        the chosen hyperparameters; empty if the run was not started by a command.
    """
    hydra = _read(run / HYDRA).get("hydra", {})
    if not hydra:
        return {}
    overrides = [str(override) for override in _read(run / OVERRIDES) or ()]
    varied = swept_targets(_read(run.parent / SWEEP).get("hydra", {}))
    if varied:
        overrides = [override for override in overrides if split_override(override).target in varied]
    named = {split_override(override).target: override for override in overrides}
    chosen = {
        name: _plain(values[name] if name in values else _value_of(override))
        for name, override in named.items()
        if varied or name in (*values, *GROUPS)
    }
    return {"model": str(hydra["runtime"]["choices"].get("model")), **chosen}


def _plain(value: object) -> Scalar:
    """A number or text; TensorBoard would show true as 1.0000."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return value if isinstance(value, (int, float)) else str(value)


def _value_of(override: str) -> object:
    return OverridesParser.create().parse_override(override).value()


def _read(path: Path) -> Any:
    """The content of a YAML file; an empty mapping without one."""
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
