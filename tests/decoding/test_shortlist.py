"""Short-lists: the output of a model with every other word masked, independent of the batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from seqvise.corpus.tokens.vocabulary import Vocabulary
from seqvise.decoding.decode import decode
from seqvise.decoding.ensemble import Ensemble
from seqvise.decoding.options import DecodingOptions
from seqvise.decoding.shortlist import FREQUENT, Shortlist, ShortlistModel, read_shortlist, shortlisted, write_shortlist
from seqvise.errors import UserError
from seqvise.models.interface import EOS, PAD, SourceBatch, StepOutput
from tests.decoding import tiny

WORDS = 60
OPTIONS = [
    DecodingOptions(),
    DecodingOptions(beam=4, nbest=4),
    DecodingOptions(beam=3, block_ngrams=1, min_length=2),
    DecodingOptions(temperature=1.0, nbest=2, top_k=5),
]


def lists(seed: int, max_count: int = 5) -> dict[int, list[int]]:
    draws = torch.Generator().manual_seed(seed)
    return {
        source: torch.randint(
            4, WORDS, (int(torch.randint(0, max_count, (1,), generator=draws)),), generator=draws
        ).tolist()
        for source in range(3, 20)
    }


def shortlist_of(chosen: dict[int, list[int]], always: int = 6) -> Shortlist:
    rows = [sorted(set(chosen.get(source, []))) for source in range(20)]
    begins = torch.tensor([0, *map(len, rows)]).cumsum(0)
    return Shortlist(
        begins, torch.tensor([word for row in rows for word in row], dtype=torch.long), torch.arange(always)
    )


class MaskedModel(nn.Module):
    """The full model with each sentence's other words masked."""

    def __init__(self, model: Any, chosen: dict[int, list[int]], always: int) -> None:
        super().__init__()
        self.model, self.chosen, self.always = model, chosen, always

    def encode(self, src: SourceBatch) -> tuple[Any, Tensor]:
        forbidden = torch.ones(len(src.lengths), WORDS, dtype=torch.bool)
        forbidden[:, : self.always] = False
        for row, ids in enumerate(src.ids.tolist()):
            for word in ids:
                forbidden[row, self.chosen.get(word, [])] = False
        return self.model.encode(src), forbidden

    def init(self, memory: tuple[Any, Tensor]) -> Any:
        return self.model.init(memory[0])

    def step(self, tokens: Tensor, state: Any, memory: tuple[Any, Tensor]) -> StepOutput[Any]:
        stepped: StepOutput[Any] = self.model.step(tokens, state, memory[0])
        forbidden = memory[1].repeat_interleave(len(tokens) // len(memory[1]), 0)
        return stepped._replace(logits=stepped.logits.masked_fill(forbidden, float("-inf")))

    def reorder(self, state: Any, rows: Tensor) -> Any:
        return self.model.reorder(state, rows)

    def select(self, memory: tuple[Any, Tensor], rows: Tensor) -> tuple[Any, Tensor]:
        return self.model.select(memory[0], rows), memory[1][rows]


@pytest.mark.parametrize("options", OPTIONS[:3], ids=["greedy", "beam", "blocking"])
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.booleans())
def test_it_decodes_as_the_full_model_with_other_words_masked(
    options: DecodingOptions, seed: int, several: bool
) -> None:
    chosen, src = lists(seed), tiny.batch(tiny.random_sources(9, 8, seed))
    model: Any = tiny.model(WORDS, seed, 2.0)
    masked: Any = MaskedModel(model, chosen, 6)
    if several:
        other = tiny.model(WORDS, seed + 1, 2.0)
        model, masked = Ensemble([model, other]), Ensemble([masked, MaskedModel(other, chosen, 6)])
    nbest = decode(model.eval(), src, options, shortlist=shortlist_of(chosen))
    plain = decode(masked.eval(), src, options)
    assert torch.equal(nbest.tokens, plain.tokens)
    present = plain.scores > float("-inf")
    assert torch.equal(present, nbest.scores > float("-inf"))
    torch.testing.assert_close(nbest.log_probs[present], plain.log_probs[present], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", OPTIONS, ids=["greedy", "beam", "blocking", "sampling"])
def test_the_other_sentences_of_a_batch_change_nothing(options: DecodingOptions) -> None:
    model, sources, few = tiny.model(WORDS, 3), tiny.random_sources(12, 10, 3), shortlist_of(lists(3))
    together = decode(model, tiny.batch(sources), options, shortlist=few)
    for row, source in enumerate(sources):
        alone = decode(model, tiny.batch([source]), options, shortlist=few)
        assert [tiny.words_of(tokens) for tokens in alone.tokens[0]] == [
            tiny.words_of(tokens) for tokens in together.tokens[row]
        ]


def test_attention_and_prefixes_are_as_without_it() -> None:
    model, src = tiny.model(WORDS, 5), tiny.batch([[5, EOS], [6, 7, 8, EOS], [9, EOS]])
    prefix = torch.tensor([[44, 55], [57, PAD], [PAD, PAD]])
    none = shortlist_of({}, 6)
    nbest = decode(model, src, DecodingOptions(beam=2), attention=True, prefix=prefix, shortlist=none)
    assert nbest.tokens[0, 0, :2].tolist() == [44, 55]
    assert nbest.tokens[1, 0, 0] == 57
    assert nbest.attention is not None
    every = shortlist_of({source: list(range(WORDS)) for source in range(3, 20)})
    whole, wide = decode(model, src, OPTIONS[1], True), decode(model, src, OPTIONS[1], True, shortlist=every)
    assert torch.equal(whole.tokens, wide.tokens)
    assert whole.attention is not None
    assert wide.attention is not None
    torch.testing.assert_close(whole.attention, wide.attention)


def test_the_model_stays_as_it_is_and_the_projection_gets_narrow() -> None:
    model, src = tiny.model(WORDS), tiny.batch([[5, 6, EOS], [7, EOS]])
    few, words = shortlisted(model, shortlist_of({5: [30, 31], 7: [50], 9: [40]}), src, None)
    assert isinstance(few, ShortlistModel)
    assert words.tolist() == [0, 1, 2, 3, 4, 5, 30, 31, 50]
    memory = few.encode(src)
    logits = few.step(torch.tensor([0, 0]), few.init(memory), memory).logits
    assert logits.shape == (2, 9)
    assert (logits[0] > float("-inf")).tolist() == [*[True] * 8, False]
    assert (logits[1] > float("-inf")).tolist() == [*[True] * 6, False, False, True]
    assert model.generator.weight.shape == (WORDS, 8)
    assert few.model.get_parameter("generator.weight").shape == (9, 8)
    assert few.model.get_submodule("encoder") is model.encoder


def vocabulary(*words: str) -> Vocabulary:
    return Vocabulary.from_ranked(words, dict.fromkeys(words, 1), {})


def test_a_file_is_read_by_words(tmp_path: Path) -> None:
    path = tmp_path / "list.tsv"
    french, english = (
        vocabulary("chat", "chien", "x"),
        vocabulary(*(f"w{row}" for row in range(FREQUENT)), "cat", "dog"),
    )
    entries = [("chat", "cat", 0.75), ("chat", "dog", 0.25), ("chien", "dog", 1.0), ("chien", "loup", 0.1)]
    write_shortlist(path, iter([*entries, ("oiseau", "cat", 1.0)]))
    assert path.read_text().splitlines()[:2] == ["source\ttarget\tprobability", "chat\tcat\t0.750000"]
    few = read_shortlist(path, french, english)
    cat, dog = FREQUENT + 4, FREQUENT + 5
    assert few.begins.tolist() == [0, 0, 0, 0, 0, 2, 3, 3]
    assert few.words.tolist() == [cat, dog, dog]
    assert few.always.tolist() == list(range(FREQUENT + 4))


def test_a_file_of_another_format_or_other_words_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.tsv"
    words = vocabulary(*"abcdefgh")
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_shortlist(path, words, words)
    for content in ("", "a\tb\n", "source\ttarget\tprobability\na b\n"):
        path.write_text(content)
        with pytest.raises(UserError, match="it is not a file of seqvise shortlist"):
            read_shortlist(path, words, words)
    write_shortlist(path, (("ein", "a", 1.0), ("zwei", "b", 1.0), ("drei", "c", 1.0), ("a", "a", 1.0)).__iter__())
    with pytest.raises(
        UserError, match="only 1 of 4 lines have words of this run's vocabulary; the file belongs to another run"
    ):
        read_shortlist(path, words, words)
