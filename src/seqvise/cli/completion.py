"""``seqvise completion``: prints a script for the shell, which completes commands, keys, choices and files."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path

from seqvise.cli.support.commands import COMMANDS
from seqvise.cli.support.exit_codes import REFUSED

HYDRA_COMMANDS = {
    **dict.fromkeys(("train", "prepare", "find_lr", "find_batch_size", "baselines"), "train"),
    "tune": "tune",
}
"""Commands with overrides, and the config that they compose."""
SCRIPTS = {
    "bash": """\
_seqvise() {
  local line="${COMP_LINE:0:COMP_POINT}" words current IFS=' '
  read -r -a words <<< "$line"
  [[ "$line" == *' ' ]] && words+=("")
  current="${words[-1]}"
  IFS=$'\\n'
  COMPREPLY=($(seqvise completion words "${words[@]:1}" 2>/dev/null))
  # Bash completes only the part after the last =, which is a word break.
  [[ "$current" == *=* ]] && COMPREPLY=("${COMPREPLY[@]#"${current%=*}="}")
  [[ ${#COMPREPLY[@]} == 1 && "${COMPREPLY[0]}" == *[=./] ]] && compopt -o nospace
}
complete -F _seqvise seqvise
""",
    "zsh": """\
#compdef seqvise
_seqvise() {
  local -a options
  options=("${(@f)$(seqvise completion words "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  [[ -n "$options" ]] && compadd -Q -S '' -- $options
}
compdef _seqvise seqvise
""",
    "fish": """\
function __seqvise
  set -l typed (commandline -opc) (commandline -ct)
  seqvise completion words $typed[2..-1] 2>/dev/null
end
complete -c seqvise -f -a '(__seqvise)'
""",
}
USAGE = """\
usage: seqvise completion bash|zsh|fish

Prints a script that completes commands, keys, choices and files:
  bash   eval "$(seqvise completion bash)"      in ~/.bashrc
  zsh    eval "$(seqvise completion zsh)"       in ~/.zshrc, after compinit
  fish   seqvise completion fish | source       in ~/.config/fish/config.fish"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise completion`` and returns its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    if args[:1] == ["words"]:
        print("\n".join(candidates(args[1:])))
        return 0
    if len(args) == 1 and args[0] in SCRIPTS:
        print(SCRIPTS[args[0]], end="")
        return 0
    print(USAGE, file=sys.stdout if args in (["-h"], ["--help"]) else sys.stderr)
    return 0 if args in (["-h"], ["--help"]) else REFUSED


def installed_script(argv: Sequence[str]) -> str | None:
    """The script for ``-sc install=SHELL``, Hydra's way to ask for it; None for other arguments."""
    asked = [value for option, value in pairwise(argv) if option in ("-sc", "--shell_completion")]
    return next((SCRIPTS[value[8:]] for value in asked if value[:8] == "install=" and value[8:] in SCRIPTS), None)


def candidates(words: Sequence[str]) -> list[str]:
    """The possible last words.

    Args:
        words: those after ``seqvise``; the last is incomplete, and may be empty.
    """
    command, *arguments = words or [""]
    if not arguments:
        return [name for name in COMMANDS if name.startswith(command)]
    if command not in COMMANDS:
        return []
    word = arguments[-1]
    options = _overrides(command, arguments) if command in HYDRA_COMMANDS else _keys(command, word)
    return sorted({item for item in options if item.startswith(word)}) or _files(word)


def _overrides(command: str, arguments: Sequence[str]) -> list[str]:
    """Keys of the config, one level at a time, and choices of groups."""
    from omegaconf import DictConfig, OmegaConf

    from seqvise.config.compose import compose_what_fits
    from seqvise.config.search_path import choices, is_group

    *before, word = arguments
    cfg, _ = compose_what_fits([text for text in before if "=" in text], HYDRA_COMMANDS[command])
    key, sign, value = word.partition("=")
    if sign and is_group(key):
        *listed, _ = value.split(",")  # several values of a sweep
        return [f"{key}={','.join((*listed, name))}" for name in choices(key)]
    if sign:
        is_switch = isinstance(OmegaConf.select(cfg, key, throw_on_missing=False), bool)
        return [f"{key}=true", f"{key}=false"] if is_switch else []
    start, dot, _ = word.rpartition(".")
    node = OmegaConf.select(cfg, start) if start else cfg
    names = list(map(str, node)) if isinstance(node, DictConfig) else []
    nodes = [name for name in names if isinstance(node._get_node(name), DictConfig)]
    groups = [name for name in (*names, "experiment", "debug") if not dot and is_group(name)]
    leaves = [name for name in names if name not in nodes]
    return [*(f"{start}{dot}{name}." for name in nodes), *(f"{start}{dot}{name}=" for name in (*leaves, *groups))]


def _keys(command: str, word: str) -> list[str]:
    """Keys of a command without overrides, and the choices that its help names, such as ``text | json``."""
    help_text = io.StringIO()
    with contextlib.redirect_stdout(help_text):
        import_module(f"seqvise.cli.{command}").main(["--help"])
    keys = dict(re.findall(r"^  ([\w.]+)= +(.*)$", help_text.getvalue(), re.MULTILINE))
    key, sign, _ = word.partition("=")
    if not sign:
        return [f"{name}=" for name in keys]
    text = keys.get(key, "")
    if text.endswith(("(default true)", "(default false)")):
        return [f"{key}=true", f"{key}=false"]
    choices = re.match(r"[\w+]+( \([^)]*\))?( \| [\w+]+( \([^)]*\))?)+", text)
    return [f"{key}={name}" for name in re.sub(r" \([^)]*\)", "", choices[0]).split(" | ")] if choices else []


def _files(word: str) -> list[str]:
    """Files and folders that a value may name, folders with a slash."""
    key, sign, value = word.rpartition("=")
    folder, slash, start = value.rpartition("/")
    where = Path(folder + slash or ".")
    if not sign or not where.is_dir():
        return []
    paths = sorted(path for path in where.iterdir() if path.name.startswith(start))
    return [f"{key}{sign}{folder}{slash}{path.name}{'/' * path.is_dir()}" for path in paths]
