"""``seqvise``: runs the command that the first argument names."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version

from seqvise.cli.support.commands import COMMANDS
from seqvise.cli.support.exit_codes import REFUSED


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names, and returns its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] in ("-h", "--help"):
        print(_help())
        return 0 if args else REFUSED
    if args[0] == "--version":
        print(f"seqvise {version('seqvise')}")
        return 0
    if args[0] not in COMMANDS:
        print(_unknown(args[0]), file=sys.stderr)
        return REFUSED
    if "-sc" in args or "--shell_completion" in args:
        from seqvise.cli.completion import installed_script

        if (script := installed_script(args)) is not None:
            print(script, end="")
            return 0
    command = import_module(f"seqvise.cli.{args[0]}").main
    return int(command(args[1:]))


def _help() -> str:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items())
    return (
        f"usage: seqvise <command> [arguments]\n\ncommands:\n{commands}\n\n"
        "seqvise <command> --help lists the keys of a command; seqvise --version prints the version."
    )


def _unknown(command: str) -> str:
    near = get_close_matches(command, COMMANDS, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"the commands are {', '.join(COMMANDS)}."
    return f"seqvise: '{command}' is not a command; {hint}"


if __name__ == "__main__":
    sys.exit(main())
