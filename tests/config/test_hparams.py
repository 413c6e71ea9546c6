"""What TensorBoard and checkpoints get to see of a config."""

from __future__ import annotations

from seqvise.config.compose import compose
from seqvise.config.schema import hyperparameters, typed


def test_full_names_and_plain_values() -> None:
    found = hyperparameters(typed(compose(["model=attention", "optimizer.lr=5e-4", "data.columns=[en,fr]"])))
    assert found["optimizer.lr"] == 5e-4
    assert found["model.attention"] == "additive"
    assert found["model.dropout.output"] == 0.35
    assert found["data.columns"] == "['en', 'fr']"
    assert found["seed"] == 1
    assert "data.root" not in found
    assert all(value is None or isinstance(value, (bool, int, float, str)) for value in found.values())
