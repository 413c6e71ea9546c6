"""What users of other tools type first: each answer names the key, the choice or the command that is meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from seqvise.cli.train import main
from seqvise.config.compose import compose
from seqvise.config.search_path import choices
from seqvise.config.synonyms import CHOICES, KEYS
from seqvise.config.validate import validate

GUESSES = {
    "lr=1e-3": "optimizer.lr?",
    "learning_rate=1e-3": "optimizer.lr?",
    "optimizer.learning_rate=1e-3": "optimizer.lr?",
    "optim.lr=1e-3": "optimizer.lr?",
    "optim=sgd": "optimizer?",
    "optimizer=Adam": "did you mean adam?",
    "epochs=5": "trainer.max_epochs?",
    "num_epochs=5": "trainer.max_epochs?",
    "trainer.epochs=5": "trainer.max_epochs?",
    "max_steps=5": "trainer.max_steps?",
    "steps=100": "trainer.max_steps?",
    "batch_size=32": "data.batch_size?",
    "train.batch_size=32": "data.batch_size?",
    "--lr": "optimizer.lr?",
    "--lr 1e-3": "optimizer.lr?",
    "--batch_size 32": "data.batch_size?",
    "--epochs=3": "trainer.max_epochs?",
    "--model rnn": "write it without dashes: model=rnn.",
    "--gpus 2 model=rnn": "trainer.devices?",
    "model=Transformer": "did you mean transformer?",
    "model=lstm": "set model=rnn model.cell=lstm.",
    "model=gru": "set model=rnn.",
    "model=seq2seq": "model=full",
    "dropout=0.2": "model.dropout?",
    "model.dropout=0.2": "such as model.dropout.source=0.2.",
    "teacher_forcing=0.5": "model.teacher_forcing?",
    "teacher_forcing_ratio=0.5": "model.teacher_forcing.start?",
    "model.teacher_forcing=0.5": "such as model.teacher_forcing.start=0.5.",
    "gpus=2": "trainer.devices?",
    "devices=2": "trainer.devices?",
    "trainer.gpus=2": "trainer.devices?",
    "accelerator=gpu": "trainer.accelerator?",
    "trainer=cuda": "set trainer=gpu.",
    "trainer=multi_gpu": "set trainer=ddp.",
    "strategy=ddp": "trainer.strategy?",
    "nodes=2": "trainer.num_nodes?",
    "precision=16": "trainer.precision?",
    "fp16=true": "trainer.precision?",
    "num_workers=4": "data.workers?",
    "hidden_size=256": "model.encoder_hidden or model.decoder_hidden?",
    "num_layers=2": "model.encoder_layers or model.decoder_layers?",
    "emb_dim=300": "model.embedding?",
    "heads=4": "model=transformer",
    "model.heads=[1": "a bracket is not closed",
    "scheduler=cosine": "schedule?",
    "schedule=none": "set schedule=constant.",
    "schedule=reduce_on_plateau": "set schedule=plateau.",
    "warmup_steps=100": "schedule.warmup?",
    "wd=0.1": "optimizer.weight_decay?",
    "grad_clip=1": "trainer.gradient_clip_val?",
    "gradient_accumulation_steps=4": "trainer.accumulate_grad_batches?",
    "patience=3": "callbacks.patience?",
    "early_stopping=true": "callbacks.patience?",
    "callbacks.monitor=val/loss": "monitor.metric?",
    "monitor=val/loss": "such as monitor.metric=val/loss.",
    "monitor.metric=val_loss": "did you mean val/loss?",
    "beam_size=5": "seqvise translate run=DIR beam=5",
    "query=boat": "seqvise search run=DIR query=TEXT",
    "vocab_size=10000": "tokenizer.max_words?",
    "max_len=50": "data.max_tokens?",
    "src=fr": "data.source",
    "dataset=multi30k": "data?",
    "data.dir=corpus": "data.root?",
    "data_dir=corpus": "data.root?",
    "data.root=a=b": "quotes: \"data.root='a=b'\"",
    "data.train=2016_10": "write \"data.train='2016_10'\"",
    "data.name=1e3": "write \"data.name='1e3'\"",
    "data.limit=1e3": "must be a whole number, such as 1000.",
    "seed=abc": "must be a whole number.",
    "output_dir=runs": "paths.outputs?",
    "run_name=mine": "hydra.run.dir=FOLDER",
    "checkpoint=last.ckpt": "resume?",
    "logger=wandb": "pytorch_lightning.loggers.WandbLogger",
    "debug=true": "set debug=fast.",
    "debug=1": "set debug=fast.",
    "random_seed=3": "seed?",
    "deterministic=true": "trainer.deterministic?",
    "label_smoothing=0.1": "loss.label_smoothing?",
    "tokenizer=bpe": "tokenizer=sentencepiece tokenizer.algorithm=bpe.",
    "vectors=glove": "vectors=fasttext vectors.target=FILE.",
    "experiment=rnn": "did you mean lesson11/rnn?",
    "+experiment=lesson11/rnn": "leave out the +.",
    "+experiment=seed/rnn": "leave out the +.",
    "resume": "is not key=value; an override is written like resume=VALUE.",
    "optimizer.lr=interval(0,1)": "seqvise tune",
    "-m optimizer.lr=interval(0,1)": "seqvise tune",
    "model=rnn,atention": "did you mean attention?",
}


@pytest.mark.parametrize("guess", GUESSES)
def test_the_answer_names_what_is_meant(
    guess: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(guess.split(" ")) == 2
    output = capsys.readouterr().err
    assert GUESSES[guess] in output
    assert "Traceback" not in output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("argv", "answers"),
    [
        (["model=rnn,atention", "modle=3"], ["did you mean attention?", "did you mean model?"]),
        (["-m", "model=rnn,atention", "modle=3"], ["did you mean attention?", "did you mean model?"]),
        (["--lr", "3", "--batch_size=2"], ["optimizer.lr?", "data.batch_size?"]),
    ],
)
def test_all_errors_are_reported_at_once(
    argv: Sequence[str],
    answers: Sequence[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 2
    output = capsys.readouterr().err
    assert [answer for answer in answers if answer not in output] == []


@pytest.mark.parametrize(
    "override", ["data.train='2016_10'", "data.limit=1_000", "optimizer.eps=1e-9", "trainer.max_steps=10_000"]
)
def test_a_number_where_a_number_is_meant_is_accepted(override: str) -> None:
    compose([override])


def test_every_suggested_key_exists() -> None:
    every = [
        compose([]),
        compose(["model=transformer", "data=files"]),
        compose(["model=devise", "data=image_folder"]),
        compose(["model=awd_lstm", "data=text_lines"]),
    ]
    missing = {key for keys in KEYS.values() for key in keys if all(_absent(cfg, key) for cfg in every)}
    assert missing <= {"resume", "debug", "seed"}, missing


def _absent(cfg: object, key: str) -> bool:
    marker = object()
    return OmegaConf.select(cfg, key, default=marker, throw_on_missing=False) is marker  # type: ignore[arg-type]


def test_every_suggested_choice_exists() -> None:
    suggested = [
        word.split("=")
        for group in CHOICES.values()
        for advice in group.values()
        for word in advice.replace(",", " ").split()
        if word.count("=") == 1 and word.partition("=")[0] in CHOICES
    ]
    assert suggested
    assert [f"{group}={choice}" for group, choice in suggested if choice not in (*choices(group), "null")] == []


@pytest.mark.parametrize(
    ("overrides", "metric", "mode"),
    [
        ((), "val/bleu", "max"),
        (("monitor.metric=val/loss",), "val/loss", "min"),
        (("model=devise", "data=image_folder"), "val/hit@1", "max"),
        (("model=awd_lstm", "data=text_lines"), "val/ppl", "min"),
        (("model=text_classifier", "data=text_labels"), "val/accuracy", "max"),
        (("model=text_classifier", "data=text_labels", "monitor.metric=val/f1"), "val/f1", "max"),
    ],
)
def test_the_monitored_metric_follows_the_data(overrides: Sequence[str], metric: str, mode: str) -> None:
    cfg = compose(list(overrides))
    assert (cfg.monitor.metric, cfg.monitor.mode) == (metric, mode)
    assert not [message for message in validate(cfg) if "monitor" in message]
