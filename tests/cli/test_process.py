"""Real processes: what is refused is refused at once, without torch and without leaving anything."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

WATCHED = """
import json, sys
from seqvise.cli.main import main
code = main(sys.argv[1:])
heavy = [name for name in ("torch", "pytorch_lightning", "spacy", "fasttext", "matplotlib") if name in sys.modules]
print(json.dumps({"code": code, "heavy": heavy}))
"""


def run(folder: Path, *words: str) -> tuple[dict[str, object], str]:
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_help_is_light(tmp_path: Path) -> None:
    assert run(tmp_path, "--help")[0] == {"code": 0, "heavy": []}


def test_evaluate_explains_itself_and_refuses_files_without_torch(tmp_path: Path) -> None:
    assert run(tmp_path, "evaluate", "--help")[0] == {"code": 0, "heavy": []}
    exit_code, errors = run(tmp_path, "evaluate", "run=x", "source=no.fr", "target=no.en", "json=found.json")
    assert exit_code == {"code": 2, "heavy": []}
    assert len(errors.splitlines()) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_refused_config_is_light_complete_and_leaves_nothing(tmp_path: Path) -> None:
    exit_code, errors = run(tmp_path, "train", "model=attn", "trainer.max_epochs=abc", "optimizer.lr=-1", "data.rot=x")
    assert exit_code == {"code": 2, "heavy": []}
    assert len(errors.splitlines()) == 4
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "-m", "model=rnn,attn"], "did you mean attention?"),
        (["train", "--cfg", "job", "model=attn"], "attn"),
        (["prepare", "data=tatoba"], "did you mean tatoeba?"),
        (["translate", "run=nowhere", "input=nothing.txt"], "nothing.txt"),
    ],
)
def test_every_command_refuses_with_two(tmp_path: Path, words: list[str], sentence: str) -> None:
    exit_code, errors = run(tmp_path, *words)
    assert exit_code["code"] == 2
    assert sentence in errors
    assert "Traceback" not in errors


def test_the_users_conf_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "conf" / "optimizer").mkdir(parents=True)
    (tmp_path / "conf" / "optimizer" / "mine.yaml").write_text("defaults:\n  - adam\n  - _self_\nlr: 0.125\n")
    done = subprocess.run(
        [sys.executable, "-m", "seqvise.cli.main", "train", "optimizer=mine", "--cfg", "job"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "lr: 0.125" in done.stdout


def test_a_closed_pipe_is_no_failed_run_directory(tmp_path: Path) -> None:
    program = "import sys; from seqvise.cli.main import main; sys.exit(main(['train', '--help']))"
    command = f'{sys.executable} -c "{program}" | head -c 0'
    ended = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ended.stderr == ""
