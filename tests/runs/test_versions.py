import json
import logging
from pathlib import Path

import pytest
import yaml

from seqvise.errors import UserError
from seqvise.runs.environment import NUMERIC_PACKAGES, other_versions, version_of
from seqvise.runs.load import Run
from seqvise.runs.model import load_model
from tests.runs.made import make_run


def made_by(run: Path, **versions: str) -> None:
    (run / "env.json").write_text(
        json.dumps({"versions": {name: version_of(name) for name in NUMERIC_PACKAGES} | versions})
    )


def change(run: Path, **data: object) -> None:
    """Sets keys of the data node; the value ``...`` removes the key."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["data"] |= data
    config["data"] = {key: value for key, value in config["data"].items() if value is not ...}
    (run / "config.yaml").write_text(yaml.safe_dump(config))


def test_only_different_versions_are_reported(tmp_path: Path) -> None:
    assert other_versions(tmp_path) == ""
    made_by(tmp_path)
    assert other_versions(tmp_path, NUMERIC_PACKAGES) == ""
    made_by(tmp_path, seqvise="0.0.1", torch="1.0")
    here = f"seqvise 0.0.1 (here {version_of('seqvise')})"
    assert other_versions(tmp_path) == here
    assert other_versions(tmp_path, NUMERIC_PACKAGES) == f"{here}, torch 1.0 (here {version_of('torch')})"
    (tmp_path / "env.json").write_text("[]")
    assert other_versions(tmp_path) == ""


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The logged messages without the note on runs without checksums."""
    return [message for message in caplog.messages if "without checksums" not in message]


def test_a_run_of_another_version_says_which_keys_are_new(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = make_run(tmp_path / "run")
    change(run, prepare_workers=..., bucket=...)
    with caplog.at_level(logging.WARNING):
        Run.open(run)
        assert messages(caplog) == []
        made_by(run, seqvise="0.0.1")
        Run.open(run)
    (message,) = messages(caplog)
    assert "was made with seqvise 0.0.1" in message
    assert message.endswith(
        "Keys that did not exist then get their defaults: data.bucket=1, data.prepare_workers=None."
    )


def test_a_key_that_is_no_more_is_ignored_with_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = make_run(tmp_path / "run")
    change(run, tokens_a_batch=3)
    with caplog.at_level(logging.WARNING):
        Run.open(run)
    (message,) = messages(caplog)
    assert message.startswith(f"{run / 'config.yaml'}: ")
    assert message.endswith("ignores them: data.tokens_a_batch.")


def test_an_invalid_value_is_reported_with_the_version(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    made_by(run, seqvise="0.0.1")
    change(run, bucket=0)
    with pytest.raises(UserError) as refused:
        Run.open(run)
    assert any("data.bucket is 0" in problem for problem in refused.value.messages)
    assert refused.value.messages[-1].startswith(f"{run} was made with seqvise 0.0.1 (here ")


def test_weights_of_another_shape_are_reported_with_the_version(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    made_by(run, seqvise="0.0.1")
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["model"]["encoder_hidden"] = 6
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match=r"does not fit the model .* was made with seqvise 0\.0\.1"):
        load_model(Run.open(run))
