"""Invalid user input: one message per error, exit code 2, and no output that looks complete."""

import gzip
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from seqvise.cli.main import main
from seqvise.config.options import TrainerOptions
from seqvise.options import option_errors

SOURCE = ["qui es tu ?", "qui est là ?", "où es tu ?", "où est-il ?", "que fais tu ?", "que fait-il ?"]
TARGET = ["who are you?", "who is there?", "where are you?", "where is he?", "what do you do?", "what does he do?"]
TINY = [
    "data=files",
    "data.root=corpus",
    "data.train=train",
    "data.test=train",
    "data.valid=train",
    "data.batch_size=4",
    "model.embedding=8",
    "model.encoder_hidden=8",
    "model.decoder_hidden=8",
    "trainer=cpu",
    "trainer.max_epochs=2",
    "callbacks.progress=false",
    "logger=csv",
]
# A sweep whose jobs are no processes of their own: tests/apps/test_sweep.py has those.
WITHIN = ["hydra/launcher=basic"]

RunCli = Callable[..., tuple[int, list[str]]]


def write_corpus(folder: Path) -> None:
    def side(name: str, lines: list[str]) -> None:
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    folder.mkdir()
    side("train.fr", SOURCE)
    side("train.en", TARGET)
    side("odd.fr", SOURCE)
    side("odd.en", TARGET[:4])
    side("empty.fr", [])
    side("empty.en", [])
    side("tab.txt", ["a\tb", "only one"])
    side("narrow.vec", ["1 3", "qui 1 2 3"])
    side("foreign.vec", ["1 8", "wer 1 2 3 4 5 6 7 8"])
    side("few.vec", ["1 8", "qui 1 2 3 4 5 6 7 8"])
    (folder / "latin.fr").write_bytes("qui\nl'été\n".encode("latin-1"))
    side("latin.en", TARGET[:2])
    (folder / "short.fr.gz").write_bytes(gzip.compress(b"a\nb\n")[:-9])
    side("short.en", TARGET[:2])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, to be copied before it is damaged."""
    folder = tmp_path_factory.mktemp("trained")
    write_corpus(folder / "corpus")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [*sys.path])
        patch.setattr(sys, "argv", ["seqvise", "train", *TINY, "test=false"])
        before = dict(os.environ)
        assert main() == 0
        os.environ.clear()
        os.environ.update(before)
    (run,) = (folder / "outputs" / "runs" / "full").iterdir()
    return run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with corpora; arguments and variables of the process are restored."""
    write_corpus(tmp_path / "corpus")
    (tmp_path / "in.txt").write_text("qui es tu ?\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = dict(os.environ)
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def run_cli(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunCli:
    """Runs a command, and returns its exit code and messages."""

    monkeypatch.chdir(here)

    def run(*words: str) -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "argv", ["seqvise", *words])
        code = main()
        lines = capsys.readouterr().err.splitlines()
        assert not any("Traceback" in line or "Error executing job" in line for line in lines), lines
        return code, [line.removeprefix("seqvise: ") for line in lines if line.startswith("seqvise: ")]

    return run


WRONG_VALUES = {
    "data.limit=0": "data.limit is 0",
    "data.batch_size=-4": "data.batch_size is -4",
    "seed=-1": "seed is -1",
    "trainer.devices=many": "trainer.devices is many",
    "trainer.accelerator=quantum": "trainer.accelerator is 'quantum'",
    "trainer.max_steps=0": "trainer.max_steps is 0",
    "trainer.max_time=abc": "trainer.max_time is 'abc'",
    "trainer.limit_train_batches=1.5": "trainer.limit_train_batches is 1.5",
    "trainer.limit_val_batches=0": "trainer.limit_val_batches is 0, so monitor.metric=val/bleu is never logged",
    "trainer.check_val_every_n_epoch=3": "longer than training (trainer.max_epochs=2), so monitor.metric",
    "model.teacher_forcing.over=5": "model.teacher_forcing.over is 5 (epochs), longer than training",
    "schedule.cycle_epochs=5": "schedule.cycle_epochs is 5, longer than training",
    "model.task=nowhere.Task": "model.task is 'nowhere.Task', but nowhere cannot be imported",
    "logger._target_=collections.OrderedDict": "does not extend pytorch_lightning.loggers.logger.Logger",
    "+callbacks.extra.mine._target_=os.path.join": "os.path has a function of that name, not a class",
    "data.rot=1": "data.rot: there is no such key",
    "optimizer=addam": "optimizer=addam: optimizer has no choice 'addam'; did you mean adam?",
    "trainer.min_epochs=x": "trainer.min_epochs=x: the value must be a whole number",
}


def test_invalid_values_of_every_kind_are_reported_together_before_anything_is_created(
    here: Path, run_cli: RunCli
) -> None:
    code, sentences = run_cli("train", *TINY, *WRONG_VALUES)
    assert code == 2
    assert len(sentences) == len(WRONG_VALUES)
    assert [part for part in WRONG_VALUES.values() if not any(part in sentence for sentence in sentences)] == []
    assert not (here / "outputs").exists()


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["model._target_=seqvise.models.recurrent.model.Nope"], "seqvise.models.recurrent.model has no such class"),
        (["model.task=collections.OrderedDict"], "does not extend pytorch_lightning.core.module.LightningModule"),
        (["monitor.metric=val/blue"], "did you mean val/bleu?"),
        (["paths.outputs=in.txt"], "The run directory cannot be created"),
        (["--cfg", "job", "-m"], "--multirun and --cfg cannot be combined"),
    ],
)
def test_a_single_invalid_override_is_refused(here: Path, run_cli: RunCli, words: list[str], part: str) -> None:
    code, sentences = run_cli("train", *words, *TINY)
    assert code == 2
    assert len(sentences) == 1
    assert part in sentences[0]
    assert not (here / "outputs").exists()


@pytest.mark.parametrize("devices", [0, -3, True, 1.5, [], [0, -1], "many", "0"])
def test_invalid_devices_are_reported(devices: object) -> None:
    assert any(problem.startswith("t.devices is") for problem in TrainerOptions(devices=devices).problems("t"))


@pytest.mark.parametrize("devices", [1, 4, -1, [1], [0, 2], "auto", "2", "0,1", "-1"])
def test_devices_that_can_be_are_not(devices: object) -> None:
    assert list(option_errors(TrainerOptions(devices=devices), "t")) == []


AT_THE_CORPUS = [
    (["data.root=nowhere"], ["nowhere/train.fr", "nowhere/train.en"]),
    (["data.train=odd"], ["corpus/odd.fr has 6 lines and corpus/odd.en has 4"]),
    (["data.train=empty"], ["no pair left for train (data.train: 0 pairs read"]),
    (["data.max_tokens.target=1"], ["dropped: longer than data.max_tokens 6"]),
    (["data.train=latin"], ["corpus/latin.fr, line 2 is not UTF-8"]),
    (["data.train=short"], ["corpus/short.fr.gz is not a complete gzip file"]),
    (["data.format=tabbed", "data.train=tab.txt", "data.valid=null", "data.test=null"], ["corpus/tab.txt, line 2"]),
    (["paths.cache=in.txt"], ["paths.cache is in.txt"]),
]


@pytest.mark.parametrize(("overrides", "parts"), AT_THE_CORPUS)
def test_an_invalid_corpus_is_reported_and_leaves_no_store(
    here: Path, run_cli: RunCli, overrides: list[str], parts: list[str]
) -> None:
    code, sentences = run_cli("prepare", *TINY, *overrides)
    assert code == 2
    assert len(sentences) == len(parts)
    assert all(part in sentence for part, sentence in zip(parts, sentences, strict=True))
    assert [path for path in here.glob("outputs/cache/corpora/*") if not path.name.startswith(".")] == []


IN_TRAINING = [
    (
        ["vectors=fasttext", "vectors.source=corpus/narrow.vec", "vectors.dim=8"],
        "3 dimensions, but model.embedding is 8",
    ),
    (
        ["vectors=fasttext", "vectors.source=corpus/foreign.vec", "vectors.dim=8"],
        "vectors.source has a vector for none of the",
    ),
    (["data.batch_tokens=3"], "data.batch_tokens is 3"),
    (["model.teacher_forcing.over=500", "model.teacher_forcing.unit=step"], "500 steps, but training has 4"),
    (["trainer.val_check_interval=99"], "`val_check_interval` (99)"),
    (["trainer.strategy=nope"], "invalid strategy name"),
]


def test_vectors_of_few_words_are_a_warning(here: Path, run_cli: RunCli) -> None:
    overrides = ["vectors=fasttext", "vectors.source=corpus/few.vec", "vectors.dim=8", "debug=fast"]
    assert run_cli("train", *TINY, *overrides)[0] == 0
    (run,) = (here / "outputs" / "runs" / "full").iterdir()
    (line,) = [text for text in (run / "train.log").read_text().splitlines() if "source side" in text]
    assert "WARNING" in line
    assert " 1 exact" in line


@pytest.mark.parametrize(("overrides", "part"), IN_TRAINING)
def test_errors_found_in_training_are_reported_and_recorded(
    here: Path, run_cli: RunCli, overrides: list[str], part: str
) -> None:
    code, sentences = run_cli("train", *TINY, *overrides)
    assert code == 2
    assert len(sentences) == 1
    assert part in sentences[0]
    (run,) = (here / "outputs" / "runs" / "full").iterdir()
    status = json.loads((run / "status.json").read_text())
    assert status["status"] == "failed"
    assert part in status["why"]
    assert not (run / "metrics.json").exists()
    assert not (run / "checkpoints").exists()


def test_a_missing_device_is_found_before_the_corpus_is_read(
    here: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    code, sentences = run_cli("train", *TINY, "trainer=gpu", "data.train=odd")
    assert code == 2
    assert "trainer=gpu needs a GPU" in sentences[0]
    assert not (here / "outputs" / "cache").exists()


def test_a_test_that_the_data_does_not_have_is_left_out(here: Path, run_cli: RunCli) -> None:
    assert run_cli("train", *TINY, "data.test=null", "trainer.max_epochs=1") == (0, [])
    (run,) = (here / "outputs" / "runs" / "full").iterdir()
    assert "Test skipped" in (run / "train.log").read_text()
    assert not any(name.startswith("test/") for name in json.loads((run / "metrics.json").read_text()))


def test_without_a_best_checkpoint_the_last_weights_are_tested(here: Path, run_cli: RunCli) -> None:
    assert run_cli("train", *TINY, "callbacks.keep_best=0", "trainer.max_epochs=1") == (0, [])
    (run,) = (here / "outputs" / "runs" / "full").iterdir()
    assert "test/bleu" in json.loads((run / "metrics.json").read_text())


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_good_checkpoint(
    here: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqvise.tasks.translation import TranslationTask

    step = TranslationTask.training_step

    def breaking(self: TranslationTask, batch: object, batch_idx: int) -> torch.Tensor:
        loss = step(self, batch, batch_idx)  # type: ignore[arg-type]
        return loss * float("nan") if self.current_epoch == 1 else loss

    monkeypatch.setattr(TranslationTask, "training_step", breaking)
    code, sentences = run_cli("train", *TINY)
    (run,) = (here / "outputs" / "runs" / "full").iterdir()
    assert code == 1
    (sentence,) = sentences
    assert "The training loss became nan in epoch 2, batch 0 (rows " in sentence
    assert sentence.endswith(f"The traceback is in {run / 'train.log'}.")
    assert "NonFiniteLossError" in (run / "train.log").read_text()
    status = json.loads((run / "status.json").read_text())
    assert (status["status"], "became nan" in status["why"]) == ("failed", True)
    assert not (run / "metrics.json").exists()
    weights = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.isfinite(weight).all() for weight in weights.values())


def cut(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


DAMAGES: list[tuple[Callable[[Path], object], str]] = [
    (lambda run: shutil.rmtree(run / "checkpoints"), "no checkpoint (status: ok)"),
    (lambda run: cut(run / "checkpoints/best.ckpt", 5000), "best.ckpt is not a complete weights-only checkpoint"),
    (lambda run: cut(run / "checkpoints/best.ckpt", 0), "best.ckpt is not a complete weights-only checkpoint"),
    (
        lambda run: torch.save({"epoch": 1}, run / "checkpoints/best.ckpt"),
        "best.ckpt is not a complete weights-only checkpoint",
    ),
    (lambda run: torch.save({"state_dict": {"x": Path("y")}}, run / "checkpoints/best.ckpt"), "weights-only"),
    (lambda run: replace(run / "config.yaml", "encoder_hidden: 8", "encoder_hidden: 16"), "weights differ, e.g."),
    (lambda run: replace(run / "config.yaml", "cell: gru", "cell: gro"), "config.yaml: model.cell is 'gro'"),
    (lambda run: replace(run / "config.yaml", "model.Recurrent", "model.Nope"), "has no such class"),
    (
        lambda run: replace(run / "config.yaml", "\n  _target_: seqvise", "\n  was: seqvise"),
        "model._target_ is not set",
    ),
    (lambda run: cut(run / "config.yaml", 300), "config.yaml cannot be read"),
    (lambda run: cut(run / "config.yaml", 0), "config.yaml cannot be read"),
    (lambda run: (run / "config.yaml").write_bytes(b"\xff\xfe\x00"), "config.yaml cannot be read"),
    (lambda run: cut(run / "assets/source.vocabulary.tsv", 60), "source.vocabulary.tsv"),
    (lambda run: shutil.rmtree(run / "assets"), "assets"),
]


@pytest.mark.parametrize(("damage", "part"), DAMAGES)
def test_a_damaged_run_translates_nothing(
    here: Path, run_cli: RunCli, trained: Path, damage: Callable[[Path], object], part: str
) -> None:
    run = shutil.copytree(trained, here / "run")
    damage(run)
    code, sentences = run_cli("translate", f"run={run}", "input=in.txt", "output=out.txt", "device=cpu")
    assert code == 2
    assert part in sentences[0]
    assert str(run) in sentences[0]
    assert sorted(path.name for path in here.iterdir()) == ["corpus", "in.txt", "run"]


WRONG_WORDS = [
    (["input=nope.txt"], "input=nope.txt cannot be read"),
    (["input=corpus"], "input=corpus cannot be read"),
    (["input=latin.txt", "output=out.txt"], "latin.txt, line 2: not UTF-8"),
    (["input=in.txt", "output=corpus"], "output=corpus is a folder"),
    (["input=in.txt", "output=in.txt/out"], "output=in.txt/out cannot be written"),
    (["input=in.txt", "output="], "is a folder"),
    (["input=in.txt", "batch=0"], "batch is 0"),
    (["input=in.txt", "device=foo"], "device=foo"),
    (["input=in.txt", "run=nowhere"], "nowhere is not a run directory: there is no such folder."),
    (["input=in.txt", "run=in.txt"], "in.txt is not a run directory: it is a file."),
]


@pytest.mark.parametrize(("words", "part"), WRONG_WORDS)
def test_translate_refuses_and_leaves_no_file(
    here: Path, run_cli: RunCli, trained: Path, words: list[str], part: str
) -> None:
    (here / "latin.txt").write_bytes("qui es tu ?\nl'été\n".encode("latin-1"))
    code, sentences = run_cli("translate", f"run={trained}", "device=cpu", *words)
    assert code == 2
    assert len(sentences) == 1
    assert part in sentences[0]
    assert sorted(path.name for path in here.iterdir()) == ["corpus", "in.txt", "latin.txt"]


def test_a_file_that_was_there_stays_when_translating_fails(here: Path, run_cli: RunCli, trained: Path) -> None:
    (here / "out.txt").write_text("before")
    (here / "latin.txt").write_bytes("qui es tu ?\nl'été\n".encode("latin-1"))
    assert run_cli("translate", f"run={trained}", "device=cpu", "input=latin.txt", "output=out.txt")[0] == 2
    assert (here / "out.txt").read_text() == "before"


def test_a_sweep_over_models_is_one_folder_with_a_job_each(here: Path, run_cli: RunCli) -> None:
    assert run_cli("train", "-m", *TINY, "model=rnn,attention", "debug=fast")[0] == 0
    (sweep,) = (here / "outputs" / "sweeps").glob("*/*")
    assert sweep.parent.name == "models"
    assert sorted(path.name for path in sweep.iterdir()) == ["0", "1", "multirun.yaml"]
    for job in ("0", "1"):
        assert json.loads((sweep / job / "status.json").read_text())["status"] == "ok"
    assert (here / "outputs" / "runs").exists() is False


def test_a_sweep_with_one_wrong_job_starts_none(here: Path, run_cli: RunCli) -> None:
    code, sentences = run_cli("train", "-m", *TINY, "model=rnn,attention", "optimizer.lr=0.1,-1")
    assert (code, sentences) == (
        2,
        [
            "optimizer.lr is -1.0, but a learning rate must be above 0.",
            "This is job model=rnn optimizer.lr=-1 of the sweep.",
        ],
    )
    assert not (here / "outputs").exists()


def test_a_sweep_in_which_a_job_fails_does_not_end_well(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["seqvise", "train", "-m", *TINY, *WITHIN, "data.train=train,odd", "debug=fast"])
    assert main() == 1
    (sweep,) = (here / "outputs" / "sweeps").glob("*/*")
    ended = [json.loads((sweep / job / "status.json").read_text())["status"] for job in ("0", "1")]
    assert ended == ["ok", "failed"]


@pytest.mark.parametrize("words", [["prepare", "-m"], ["find_lr", "--cfg", "job"]])
def test_flags_of_hydra_can_precede_the_overrides(run_cli: RunCli, words: list[str]) -> None:
    assert run_cli(*words, *TINY)[0] == 0
