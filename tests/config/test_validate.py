"""All errors of a config are reported at once, each with its key and what to write instead."""

from unittest.mock import patch

import pytest

from seqvise.config.compose import compose, compose_what_fits
from seqvise.config.schema import typed
from seqvise.config.validate import METRICS, validate
from seqvise.errors import UserError
from seqvise.schedules.options import RampOptions


def errors_of(*overrides: str) -> list[str]:
    return validate(compose(overrides))


def test_several_wrong_values_are_told_together() -> None:
    messages = errors_of("optimizer.lr=-1", "model.cell=grue", "schedule.cycle_epochs=13", "monitor.metric=val/blue")
    assert len(messages) == 4
    for key in ("optimizer.lr", "model.cell", "schedule.cycle_epochs", "monitor.metric"):
        assert any(message.startswith(f"{key} is") for message in messages), key


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["model.teacher_forcing.over=13"], "model.teacher_forcing.over is 13 (epochs), longer than training"),
        (["monitor.metric=val/blue"], "did you mean val/bleu?"),
        (["vectors=fasttext"], "vectors.source"),
        (
            ["vectors=fasttext", "vectors.source=a.vec", "model.embedding=200", "model.decoder_hidden=200"],
            "vectors.dim",
        ),
        (["trainer.precision=bf32"], "trainer.precision is 'bf32'"),
        (["trainer.max_epochs=0"], "trainer.max_epochs is 0"),
        (["trainer.max_epochs=-1"], "set trainer.max_steps to the number of optimizer steps, or trainer.max_epochs"),
        (["trainer.max_time=0:1:0:0"], "must be days:hours:minutes:seconds"),
        (["trainer.check_val_every_n_epoch=0"], "trainer.check_val_every_n_epoch is 0"),
        (["trainer.check_val_every_n_epoch=null"], "must be a number of batches with trainer.check_val_every_n_epoch"),
        (
            ["trainer.check_val_every_n_epoch=null", "trainer.val_check_interval=500", "trainer.max_steps=99"],
            "trainer.val_check_interval is 500 (batches), longer than training (trainer.max_steps=99)",
        ),
        (["data=files"], "data.root is not set"),
        (["data.kind=sound"], "data.kind is 'sound'"),
        (["model=devise"], "model=devise needs images"),
        (["data=image_folder", "data.root=pictures", "data.train=train"], "data.kind is images"),
        (["find_lr.steps=1"], "find_lr.steps is 1"),
        (["+schedule.others.dropout=3"], "schedule.others.dropout is 3, but must be a node"),
        (
            ["+schedule.others.dropout={start: 1, until: 2}"],
            "schedule.others.dropout.until is no key of a schedule: use start, end",
        ),
        (["+schedule.others.dropout={start: low}"], "schedule.others.dropout.start is low, but must be a number"),
        (["+schedule.others.dropout={over: 0}"], "schedule.others.dropout.over is 0"),
        (["data=ptb"], "choose model=awd_lstm"),
        (
            ["data.rare_as_unknown=1", "tokenizer=sentencepiece", "tokenizer.sampling=0.1"],
            "data.rare_as_unknown is for words, and tokenizer.sampling samples subwords",
        ),
        (["experiment=lm/imdb_small", "loss.label_smoothing=0.1"], "set loss.label_smoothing=0 or model.adaptive=null"),
        (["experiment=lm/imdb_small", "loss.sampled=900"], "alternatives for a large vocabulary"),
        (["experiment=lm/imdb_classifier", "loss.sampled=900"], "a classifier predicts labels"),
        (["loss.sampled=0"], "loss.sampled is 0, but must be at least 1, or null for all words"),
        (["loss.sampled=900", "loss.label_smoothing=0.1"], "set loss.label_smoothing=0 or loss.sampled=null"),
        (["experiment=lm/imdb_small", "model.adaptive=[9,4]"], "must be rising numbers of words"),
        (["model=awd_lstm"], "model=awd_lstm does not read data.kind=parallel: choose data=text_lines"),
        (["model=text_classifier", "data=ptb"], "model=text_classifier does not read data.kind=text_lines"),
        (["experiment=lm/ptb_small", "vectors=trained"], "choose vectors=none"),
        (["experiment=lm/ptb_small", "loss.count_padding=true"], "loss.count_padding is true"),
        (["experiment=lm/ptb_small", "monitor.metric=val/bleu"], "monitor.metric is 'val/bleu', which is never logged"),
        (["experiment=lm/ptb_small", "model.unfreeze=[1]"], "model.unfreeze is [1]"),
    ],
)
def test_one_wrong_thing_is_one_sentence(overrides: list[str], sentence: str) -> None:
    with patch("seqvise.config.validate.find_spec"):  # whatever is installed here
        (message,) = [text for text in errors_of(*overrides) if sentence in text]
    assert message.endswith((".", ")"))


def test_any_number_can_be_scheduled_from_the_command_line() -> None:
    config = compose(["+schedule.others.dropout={start: 0, end: 1, over: 5, unit: epoch}"])
    assert validate(config) == []
    assert typed(config).schedule.ramps() == {"dropout": RampOptions(0, 1, 5, "epoch")}


@pytest.mark.parametrize("over", ["5", "null"])
def test_forcing_as_long_as_training_is_fine(over: str) -> None:
    assert errors_of("model=attention", f"model.teacher_forcing.over={over}") == []


def test_forcing_in_steps_is_not_held_against_epochs() -> None:
    assert errors_of("model=attention", "model.teacher_forcing.over=500", "model.teacher_forcing.unit=step") == []
    (message,) = errors_of(
        "model=attention",
        "model.teacher_forcing.over=500",
        "model.teacher_forcing.unit=step",
        "trainer.max_steps=400",
    )
    assert "trainer.max_steps=400" in message


@pytest.mark.parametrize(("override", "extra"), [("tokenizer=spacy", "spacy"), ("vectors=trained", "fasttext")])
def test_a_missing_package_is_named_with_its_extra(override: str, extra: str) -> None:
    with patch("seqvise.config.validate.find_spec", return_value=None):
        (message,) = errors_of(override)
    assert f"pip install 'seqvise[{extra}]'" in message


def test_vectors_in_text_files_need_no_package() -> None:
    with patch("seqvise.config.validate.find_spec", return_value=None):
        assert errors_of("vectors=fasttext", "vectors.source=wiki.fr.vec") == []
        (message,) = errors_of("vectors=fasttext", "vectors.source=wiki.fr.bin")
    assert "fasttext" in message


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("modell=rnn", "modell: there is no such key; did you mean model?"),
        ("callbacks.average=null", "callbacks.average=null: this key needs a value, it cannot be null."),
        ("data.bach_size=3", "data.bach_size: there is no such key; did you mean data.batch_size?"),
        ("lr=3", "lr: there is no such key; did you mean optimizer.lr?"),
        ("model=atention", "model=atention: model has no choice 'atention'; did you mean attention?"),
        ("experiment=lesson11/rn", "did you mean lesson11/rnn?"),
        ("trainer.max_epochs=abc", "trainer.max_epochs=abc: the value must be a whole number."),
        ("data.root='x", "data.root='x: Hydra cannot read this"),
        ("model.dropout.sauce=0.1", "did you mean model.dropout.source?"),
    ],
)
def test_a_word_that_does_not_fit_is_told(override: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        compose([override])
    (message,) = caught.value.messages
    assert sentence in message
    assert "\n" not in message


def test_words_that_do_not_fit_do_not_hide_each_other_nor_wrong_values() -> None:
    cfg, messages = compose_what_fits(["model=attn", "trainer.max_epochs=abc", "data.rot=x", "optimizer.lr=0"])
    assert len(messages) == 3
    assert [text.split(" ")[0] for text in validate(cfg)] == ["optimizer.lr"]


def test_the_metrics_are_those_the_task_logs() -> None:
    from seqvise.tasks.options import TRANSLATION_METRICS as LOGGED

    known = METRICS["seqvise.tasks.translation.TranslationTask"]
    assert set(known) == {"train/loss"} | {f"val/{name}" for name in LOGGED}


def test_training_can_be_measured_in_steps() -> None:
    steps = ["trainer.max_epochs=-1", "trainer.max_steps=2000"]
    assert errors_of(*steps) == []
    assert errors_of(*steps, "trainer.check_val_every_n_epoch=null", "trainer.val_check_interval=500") == []
    assert errors_of(*steps, "schedule=one_cycle", "schedule.cycle_epochs=2") == []


def test_trainer_keys_are_lightnings_own() -> None:
    import inspect
    from dataclasses import fields

    import pytorch_lightning as pl

    from seqvise.config.options import TrainerOptions

    assert {item.name for item in fields(TrainerOptions)} - {"timeout", "arguments"} <= set(
        inspect.signature(pl.Trainer.__init__).parameters
    )


def test_standard_input_is_for_one_process() -> None:
    stream = ["data=files", "data.train=-", "data.format=tabbed", "data.columns=[en,fr]"]
    assert errors_of(*stream) == []
    (message,) = errors_of(*stream, "trainer=ddp_cpu", "trainer.devices=2")
    assert "which only one process can read" in message
