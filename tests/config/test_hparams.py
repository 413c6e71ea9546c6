"""What TensorBoard and checkpoints get to see of a config."""

from __future__ import annotations

from seqvise.config.compose import compose
from seqvise.config.schema import hyperparameters, typed


def test_full_names_and_plain_values() -> None:
    values = hyperparameters(typed(compose(["model=attention", "optimizer.lr=5e-4", "data.columns=[en,fr]"])))
    assert values["optimizer.lr"] == 5e-4
    assert values["model.attention"] == "additive"
    assert values["model.dropout.output"] == 0.35
    assert values["data.columns"] == "['en', 'fr']"
    assert values["seed"] == 1
    assert "data.root" not in values
    assert all(value is None or isinstance(value, (bool, int, float, str)) for value in values.values())
