"""Kills, copies, moves, fills the disk and flips bytes at random: nothing differs without a word.

``make test-all`` runs it for 15 minutes. SOAK_SECONDS is another duration, SOAK_SEED the seed of an earlier time.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest
import pytorch_lightning
import torch

from tests.soak.world import COMMON, TRANSLATION, Ended, build, bytes_of, command, search, translation, weights_of

pytest.importorskip("torchvision")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]

LOADED = (torch, pytorch_lightning)
"""Imported here, so that forked processes need not."""
SECONDS = float(os.environ.get("SOAK_SECONDS", 15 * 60))
SEED = int(os.environ.get("SOAK_SEED", time.time_ns() % 1_000_000))
HYDRA = tuple(f".hydra/{name}.yaml" for name in ("config", "hydra", "overrides"))
UNREAD = ("train.log", "metrics.csv", "hparams.yaml", ".lock", ".diff", *HYDRA)
"""Files without a checksum: they grow, or shape no result."""


class Soak:
    """The pristine world, what it answers, and a copy of it to damage."""

    def __init__(self, folder: Path) -> None:
        self.dice = random.Random(SEED)
        self.pristine, self.work, self.elsewhere = folder / "pristine", folder / "work", folder / "elsewhere"
        build(self.pristine)
        self.elsewhere.mkdir()
        (self.elsewhere / "kept.txt").write_text("of somebody else")
        self.fresh()
        self.translated, self.answered = translation(self.work), search(self.work)
        assert (self.translated.code, self.answered.code) == (0, 0), (self.translated, self.answered)
        assert self.translated.output
        assert self.answered.output
        self.weights = weights_of(self.pristine / "runs" / "translation" / "checkpoints" / "last.ckpt")
        self.stores = bytes_of(self.pristine / "cache" / "corpora")
        self.outside = {place: bytes_of(place) for place in (self.pristine, self.elsewhere)}

    def fresh(self) -> None:
        """Puts an unharmed copy in the place of the damaged one."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.pristine, self.work, symlinks=True)

    def resumed(self, run: str, words: tuple[str, ...]) -> Ended:
        """Starts or resumes a run in the work folder."""
        words = ("train", *words, *COMMON, "paths.cache=cache", f"hydra.run.dir={run}", "resume=auto", "retry=failed")
        return command(self.work, words)

    # Each of these is one round: it does harm, uses what was harmed, and says what is wrong, or nothing.

    def flip(self) -> str:
        """A flipped bit, a shortened or an emptied file."""
        file = self._victim()
        content = bytearray(file.read_bytes())
        kind = self.dice.choices(("flip", "shorten", "empty"), (8, 1, 1))[0]
        if kind == "flip":
            content[self.dice.randrange(len(content))] ^= 1 << self.dice.randrange(8)
        else:
            del content[
                0 if kind == "empty" else self.dice.randrange(max(1, len(content) - 1)) :
            ]  # more than a last line break
        file.write_bytes(content)
        name = f"{kind} of {file.relative_to(self.work)}"
        verified = command(self.work, ("verify", "runs", "cache", "index"))
        if verified.crashed or verified.code not in (1, 2):
            return f"{name}: verify ended with {verified}"
        return f"{name}: {wrong}" if (wrong := self._used(file)) else ""

    def _victim(self) -> Path:
        folders = [self.work / name for name in ("runs/translation", "runs/images", "cache/corpora", "index")]
        files = [
            path
            for path in sorted(self.dice.choice(folders).rglob("*"))
            if path.is_file()
            and path.stat().st_size
            and not path.as_posix().endswith(UNREAD)
            and path.suffix != ".lock"
        ]
        return self.dice.choice(files)

    def _used(self, file: Path) -> str:
        """Uses what a damaged file belongs to: an answer that differs must come with a line on standard error."""
        place = file.relative_to(self.work).as_posix()
        if place.startswith("cache/corpora"):
            ended = self.resumed("runs/second", TRANSLATION)
            if ended.code == 0 and not ended.crashed:
                return self._differs(self.work / "runs" / "second")
            return "a traceback" if ended.crashed else ""
        expected = self.translated if place.startswith("runs/translation") else self.answered
        ended = translation(self.work) if expected is self.translated else search(self.work)
        if ended.crashed:
            return f"a traceback: {ended.errors[-800:]}"
        if ended.code == 0 and ended.output != expected.output and not ended.errors.strip():
            return "another answer without a word"
        return ""

    def _differs(self, run: Path) -> str:
        weights = weights_of(run / "checkpoints" / "last.ckpt")
        return "" if weights == self.weights else "other weights without a word"

    def copy(self) -> str:
        """A copied run answers alike, goes on alike, and leaves the original alone."""
        shutil.copytree(self.work / "runs" / "translation", self.work / "copied")
        before = bytes_of(self.work / "runs")
        if self.dice.random() < 0.5:
            shutil.rmtree(self.work / "cache" / "corpora")
        ended = translation(self.work, "copied")
        if ended.code or ended.output != self.translated.output:
            return f"a copy answers otherwise: {ended}"
        ended = self._longer("copied")
        if ended.code or ended.crashed:
            return f"a copy does not go on: {ended.errors[-800:]}"
        return "" if bytes_of(self.work / "runs") == before else "resuming a copy changed the original"

    def move(self) -> str:
        """A moved run answers and goes on in its new place, and writes nothing into the old."""
        shutil.move(self.work / "runs" / "translation", self.work / "moved")
        ended = translation(self.work, "moved")
        if ended.code or ended.output != self.translated.output:
            return f"a moved run answers otherwise: {ended}"
        ended = self._longer("moved")
        if ended.code or ended.crashed:
            return f"a moved run does not go on: {ended.errors[-800:]}"
        return "a moved run was made anew in its old place" if (self.work / "runs" / "translation").exists() else ""

    def _longer(self, run: str) -> Ended:
        words = ("train", f"resume={run}", "trainer.max_epochs=4", "schedule.extend=true", "paths.cache=cache")
        return command(self.work, words)

    def kill(self) -> str:
        """A killed training, preparation included, ends as one that was left alone."""
        if self.dice.random() < 0.5:
            shutil.rmtree(self.work / "cache" / "corpora")
        words = ("train", *TRANSLATION, *COMMON, "paths.cache=cache", "hydra.run.dir=runs/second", "resume=auto")
        for _ in range(self.dice.randint(1, 3)):
            command(self.work, words, kill_after=self.dice.uniform(0.05, 4.0))
        ended = self.resumed("runs/second", TRANSLATION)
        if ended.code or ended.crashed:
            return f"a killed run does not go on: {ended.errors[-800:]}"
        return self._differs(self.work / "runs" / "second") or self._remains()

    def kill_index(self) -> str:
        """A killed index is the old one or the new one, or is made again."""
        if self.dice.random() < 0.5:
            shutil.rmtree(self.work / "index")
        words = ("index", "run=runs/images", "images=images", "output=index", "device=cpu", "cache=cache")
        command(self.work, words, kill_after=self.dice.uniform(0.05, 2.0))
        ended = command(self.work, words)
        if ended.code or ended.crashed:
            return f"index after a kill: {ended.errors[-800:]}"
        ended = search(self.work)
        return "" if ended.output == self.answered.output else f"another answer after a kill: {ended}"

    def full_disk(self) -> str:
        """What cannot be written is said in a sentence; what was there stays, and with room all is as it would be."""
        size = self.dice.choice((0, 200, 2_000, 20_000, 60_000))
        if self.dice.random() < 0.5:
            shutil.rmtree(self.work / "cache" / "corpora")
        words = ("train", *TRANSLATION, *COMMON, "paths.cache=cache", "hydra.run.dir=runs/second", "resume=auto")
        ended = command(self.work, words, file_size=size)
        if "Traceback" in ended.output or ended.code not in (0, 1, 2):
            return f"a full disk at {size} bytes: {ended}"
        ended = self.resumed("runs/second", TRANSLATION)
        if ended.code or ended.crashed:
            return f"with room again: {ended.errors[-800:]}"
        return self._differs(self.work / "runs" / "second") or self._remains()

    def _remains(self) -> str:
        folders = [self.work / "cache" / "corpora", self.work / "runs" / "second"]
        remains = [str(path) for place in folders for path in place.rglob(".*.tmp")]
        if remains:
            return f"remains: {remains}"
        return "" if bytes_of(self.work / "cache" / "corpora") == self.stores else "the store has other bytes"


def test_soak(tmp_path: Path) -> None:
    print(f"SOAK_SEED={SEED} SOAK_SECONDS={SECONDS:.0f}")
    soak = Soak(tmp_path)
    rounds = {soak.flip: 6, soak.copy: 1, soak.move: 1, soak.kill: 2, soak.kill_index: 1, soak.full_disk: 1}
    counts: Counter[str] = Counter()
    faults: list[str] = []
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        action = soak.dice.choices(list(rounds), list(rounds.values()))[0]
        soak.fresh()
        fault = action()
        counts[action.__name__] += 1
        if any(bytes_of(place) != before for place, before in soak.outside.items()):
            fault = f"{fault} files of other folders were touched"
        if fault:
            faults.append(f"round {sum(counts.values())}, {action.__name__}: {fault}")
            print(faults[-1])
    print(dict(counts))
    assert faults == [], f"SOAK_SEED={SEED}"
