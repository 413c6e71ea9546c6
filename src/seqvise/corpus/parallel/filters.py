"""Filters on pairs of a corpus; they count the pairs that each of them drops."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from seqvise.corpus.documents.options import TextOptions
from seqvise.corpus.limit import unit_hash
from seqvise.corpus.parallel.duplicates import ExactSeenPairs, RecentSeenPairs, SeenPairs, pair_keys
from seqvise.corpus.parallel.options import QUESTION_PATTERNS, DataOptions, SideScripts
from seqvise.corpus.parallel.readers import Block
from seqvise.corpus.parallel.report import FilterCounts
from seqvise.corpus.parallel.scripts import ScriptTest
from seqvise.corpus.tokens.tokenizers import has_word

PARTS = ("train", "valid", "test")


def stored_parts(data: DataOptions | TextOptions, inputs: Iterable[str]) -> tuple[str, ...]:
    """The parts of a store. inputs: names of the inputs; a validation part is always there."""
    parts = PARTS if data.format == "phrasebook" else {*inputs, "valid"}
    return tuple(part for part in PARTS if part in parts)


def choose_part(text: str, data: DataOptions | TextOptions) -> str:
    """The part of an example of the training input: ``train`` or ``valid``; for the phrasebook also ``test``.

    Each part that is split off receives ``data.valid_fraction`` of the distinct texts. text: the target of a pair, or
    a document.
    """
    hashed = unit_hash(text, data.seed)
    if hashed < data.valid_fraction:
        return "valid"
    if data.format == "phrasebook" and hashed < 2 * data.valid_fraction:
        return "test"
    return "train"


WIDE, NUL, EMPTY, QUESTION, COPY, RATIO, SCRIPT, DUPLICATE, NOT_DRAWN, LONG, LIMIT = (
    "longer than data.max_characters",
    "a NUL byte",
    "an empty side",
    "not a question on both sides",
    "one side a copy of the other",
    "sides longer than data.max_ratio of each other",
    "another script than data.scripts",
    "a repeated pair",
    "not drawn, by data.weights",
    "longer than data.max_tokens",
    "beyond data.limit",
)

Step = Callable[[Block, FilterCounts], Block]
Test = Callable[[Block], Sequence[bool]]


def question_patterns(data: DataOptions) -> dict[str, str]:
    """Language -> regular expression of the questions that are kept."""
    return data.question_patterns or QUESTION_PATTERNS


class Filters:
    """The filters on text, in order; the filter of duplicates remembers the pairs of earlier blocks.

    A question is shortened to the match of its pattern, as in the fast.ai (2018) lesson.

    Args:
        evaluation: keeps repeats, copies and pairs of any ratio and script: a test set must stay complete to be
            comparable with the scores of others.
    """

    def __init__(self, data: DataOptions, evaluation: bool = False) -> None:
        self._steps = list(_steps(data))
        if not evaluation:
            self._steps += _training_steps(data)

    def keep(self, block: Block, tally: FilterCounts) -> Block:
        """The pairs of a block that pass all filters. tally: receives the counts."""
        tally.read += len(block)
        for step in self._steps:
            block = step(block, tally)
        return block


def _steps(data: DataOptions) -> Iterator[Step]:
    if data.max_characters is not None:
        yield _dropping(WIDE, _short_enough(data.max_characters))
    yield _dropping(NUL, lambda block: ["\0" not in s and "\0" not in t for s, t in block.pairs()])
    if data.questions_only:
        yield _questions(data)
    yield _dropping(EMPTY, lambda block: [has_word(s) and has_word(t) for s, t in block.pairs()])


def _training_steps(data: DataOptions) -> Iterator[Step]:
    yield _dropping(COPY, _differ) if data.drop_copies else _notice_copies
    if data.max_ratio is not None:
        yield _dropping(RATIO, _similar_lengths(data.max_ratio))
    if data.scripts.source or data.scripts.target:
        yield _dropping(SCRIPT, _in_scripts(data.scripts))
    if data.deduplicate:
        yield _dropping(DUPLICATE, _distinct(ExactSeenPairs() if data.exact_duplicates else RecentSeenPairs()))


def _dropping(reason: str, test: Test) -> Step:
    def step(block: Block, tally: FilterCounts) -> Block:
        kept = test(block)
        if all(kept):
            return block
        remaining = block.only(kept)
        tally.drop(reason, len(block) - len(remaining))
        return remaining

    return step


def _short_enough(maximum: int) -> Test:
    return lambda block: [len(s) <= maximum and len(t) <= maximum for s, t in block.pairs()]


def _differ(block: Block) -> list[bool]:
    return [s != t for s, t in block.pairs()]


def _notice_copies(block: Block, tally: FilterCounts) -> Block:
    tally.notice(COPY, len(block) - sum(_differ(block)))
    return block


def _similar_lengths(max_ratio: float) -> Test:
    def test(block: Block) -> list[bool]:
        lengths = zip(map(len, block.sources), map(len, block.targets), strict=True)
        return [left <= max_ratio * right and right <= max_ratio * left for left, right in lengths]

    return test


def _in_scripts(scripts: SideScripts) -> Test:
    source = ScriptTest(scripts.source) if scripts.source else None
    target = ScriptTest(scripts.target) if scripts.target else None

    def passes(left: str, right: str) -> bool:
        return (source is None or source(left)) and (target is None or target(right))

    return lambda block: [passes(left, right) for left, right in block.pairs()]


def _distinct(seen: SeenPairs) -> Test:
    def test(block: Block) -> list[bool]:
        is_new: list[bool] = seen.add(pair_keys(block.sources, block.targets)).tolist()
        return is_new

    return test


def _questions(data: DataOptions) -> Step:
    patterns = question_patterns(data)
    searches = [re.compile(patterns[language]).search for language in data.languages()]

    def step(block: Block, tally: FilterCounts) -> Block:
        matches = zip(map(searches[0], block.sources), map(searches[1], block.targets), strict=True)
        questions = [(left, right) for left, right in matches if left and right]
        if len(questions) < len(block):
            tally.drop(QUESTION, len(block) - len(questions))
        return Block([_matched(left) for left, _ in questions], [_matched(right) for _, right in questions])

    return step


def _matched(match: re.Match[str]) -> str:
    return str(match[min(1, match.re.groups)] or "").strip()
