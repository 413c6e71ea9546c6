"""Language models: perplexity and continuations equal a slow computation, token by token, over the stored model."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import seqvise
from seqvise.errors import UserError
from seqvise.inference import language_model
from seqvise.inference.language_model import LanguageScorer, load_language_model
from seqvise.models.awd_lstm.model import AwdLstm
from seqvise.models.interface import BOS, EOS, PAD, UNK
from tests.runs.made import make_language_run, make_run, plain_codec

WORDS = ("le", "chat", "dort", "bien", "ici")
SIZES = ["model.embedding=5", "model.hidden=7"]
TEXTS = ["le chat dort", "", "chat", "ici le zèbre dort bien", "le " * 40]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[LanguageScorer, AwdLstm]:
    path, model = make_language_run(tmp_path_factory.mktemp("runs") / "lm", plain_codec(WORDS), *SIZES)
    return load_language_model(path, batch_size=4), model.eval()


@pytest.fixture(scope="module")
def scorer(made: tuple[LanguageScorer, AwdLstm]) -> LanguageScorer:
    return made[0]


@torch.no_grad()
def step_by_step(model: AwdLstm, ids: Sequence[int]) -> list[float]:
    """The log-probability of each token after those before it; the first follows ``EOS``."""
    state, before, log_probs = None, EOS, []
    for token in ids:
        output = model(torch.tensor([[before]]), state)
        log_probs.append(float(torch.log_softmax(model.generator(output.outputs[0, 0]), 0)[token]))
        state, before = output.state, token
    return log_probs


@torch.no_grad()
def most_likely(model: AwdLstm, prompt: Sequence[int], steps: int) -> list[int]:
    """Greedy continuation, which reads the whole text again for each token."""
    tokens: list[int] = []
    while len(tokens) < steps and EOS not in tokens:
        logits = model.generator(model(torch.tensor([[EOS, *prompt, *tokens]])).outputs[0, -1])
        logits[[BOS, PAD, UNK]] = float("-inf")
        tokens.append(int(logits.argmax()))
    return tokens


def test_perplexity_of_a_batch_is_that_of_each_token(
    made: tuple[LanguageScorer, AwdLstm], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer, model = made
    monkeypatch.setattr(language_model, "WINDOW", 3)  # the state is carried between windows
    for text, perplexity in zip(TEXTS, scorer.perplexity(TEXTS), strict=True):
        log_probs = step_by_step(model, scorer.codec.encode([text])[0].tolist())
        assert perplexity == pytest.approx(math.exp(-sum(log_probs) / len(log_probs)), rel=1e-5)
        assert scorer.perplexity(text) == pytest.approx(perplexity, rel=1e-5)


def test_a_stream_is_read_on_after_each_text(made: tuple[LanguageScorer, AwdLstm]) -> None:
    scorer, model = made
    ids = scorer.encode(TEXTS)
    expected = step_by_step(model, [token for text in ids for token in text.tolist()])
    log_probs = scorer.log_probs_of_stream(ids)
    assert [len(text) for text in log_probs] == [len(text) for text in ids]
    assert [float(value) for text in log_probs for value in text] == pytest.approx(expected, abs=1e-5)


def test_an_adaptive_softmax_has_the_same_perplexity(tmp_path: Path) -> None:
    path, model = make_language_run(tmp_path / "run", plain_codec(WORDS), *SIZES, "model.adaptive=[5,7]")
    scorer = load_language_model(path)
    ids = scorer.codec.encode([TEXTS[0]])[0].tolist()
    model.eval()
    with torch.no_grad():
        outputs = model(torch.tensor([[EOS, *ids[:-1]]])).outputs[0]
        loss, _ = model.generator.scores(outputs, torch.tensor(ids), 2, torch.float32)
    assert scorer.perplexity(TEXTS[0]) == pytest.approx(math.exp(float(loss) / len(ids)), rel=1e-5)


@given(prompt=st.lists(st.sampled_from(WORDS), max_size=4), seed=st.integers(0, 9), temperature=st.floats(0.2, 5))
@settings(max_examples=20, deadline=None)
def test_top_1_is_greedy(
    made: tuple[LanguageScorer, AwdLstm], prompt: list[str], seed: int, temperature: float
) -> None:
    scorer, model = made
    ids = scorer.codec.encode([" ".join(prompt)])[0].tolist()[:-1]
    tokens = most_likely(model, ids, 6)
    for text in scorer.generate(" ".join(prompt), top_k=1, n=2, max_length=6, seed=seed, temperature=temperature):
        assert text.words == ["<eos>" if token == EOS else scorer.codec.vocabulary.words[token] for token in tokens]
        assert text.text == " ".join([*prompt, *(word for word in text.words if word != "<eos>")])


def test_words_are_drawn_with_their_probability(made: tuple[LanguageScorer, AwdLstm]) -> None:
    scorer, model = made
    texts = scorer.generate("le chat", n=1000, max_length=1, temperature=0.5)
    with torch.no_grad():
        logits = model.generator(
            model(torch.tensor([[EOS, *scorer.codec.vocabulary.ids(["le", "chat"])]])).outputs[0, -1]
        )
    logits[[BOS, PAD, UNK]] = float("-inf")
    for word, probability in zip(scorer.codec.vocabulary.words, torch.softmax(logits / 0.5, 0).tolist(), strict=True):
        share = sum(text.words == [word] for text in texts) / len(texts)
        assert share == pytest.approx(probability, abs=4 * math.sqrt(0.25 / len(texts)))


def test_the_score_is_the_log_probability_of_the_words(made: tuple[LanguageScorer, AwdLstm]) -> None:
    scorer, model = made
    for text in scorer.generate("le", n=3, max_length=5):
        total, before = 0.0, [EOS, *scorer.codec.vocabulary.ids(["le"])]
        for token in [EOS if word == "<eos>" else scorer.codec.vocabulary.ids([word])[0] for word in text.words]:
            with torch.no_grad():
                logits = model.generator(model(torch.tensor([before])).outputs[0, -1])
            logits[[BOS, PAD, UNK]] = float("-inf")
            total += float(torch.log_softmax(logits, 0)[token])
            before.append(token)
        assert text.log_prob == pytest.approx(total, abs=1e-4)


def test_samples_depend_on_the_seed_and_the_prompt_alone(scorer: LanguageScorer) -> None:
    prompts = ["le chat", "", "dort", "bien ici", "le chat dort bien"]
    together = scorer.generate(prompts, n=2, seed=3)
    assert [[text.words for text in texts] for texts in together] == [
        [text.words for text in scorer.generate(prompt, n=2, seed=3)] for prompt in prompts
    ]
    assert [text.words for text in scorer.generate("", n=8)] != [
        text.words for text in scorer.generate("", n=8, seed=1)
    ]
    assert len(scorer.generate()) == 1


def test_a_backward_model_adds_words_before_the_prompt(tmp_path: Path) -> None:
    path, _ = make_language_run(tmp_path / "back", plain_codec(WORDS, backwards=True), *SIZES)
    (text,) = load_language_model(path).generate("dort bien", max_length=4, seed=5)
    assert text.text == " ".join([*reversed([word for word in text.words if word != "<eos>"]), "dort bien"])


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"temperature": 0}, "temperature is 0, but must be above 0: set top_k=1 for the most likely words."),
        ({"temperature": math.nan}, "temperature is nan, but must be above 0"),
        ({"temperature": math.inf}, "temperature is inf, but must be above 0"),
        ({"top_k": 0}, "top_k is 0, but must be at least 1."),
        ({"top_p": 0}, "top_p is 0, but must be above 0 and at most 1."),
        ({"n": 0}, "n is 0, but must be at least 1."),
        ({"n": 5000}, "n is 5000, but must be at most 1000: generate more with other values of seed."),
        ({"max_length": 0}, "max_length is 0, but must be at least 1."),
        ({"max_length": 10**6}, "max_length is 1000000, but must be at most 10000."),
        ({"temprature": 2}, "temprature: there is no such option; did you mean temperature?"),
        ({"beam": 2}, "beam: there is no such option; the options are temperature, top_k, top_p, n, seed, max_length."),
    ],
)
def test_invalid_options_are_refused(scorer: LanguageScorer, keywords: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        scorer.generate("le", **keywords)
    assert str(error.value).startswith(sentence)


def test_unknown_words_are_named(scorer: LanguageScorer, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UserError) as error:
        scorer.generate(["zèbre", "le chat", "rat rat"], top_k=0)
    assert [message.partition(":")[0] for message in error.value.messages] == [
        "top_k is 0, but must be at least 1.",
        "prompt=zèbre",
        "prompt=rat rat",
    ]
    assert "the vocabulary has none of its words (rat): use words of the training data." in str(error.value)
    with caplog.at_level(logging.WARNING):
        scorer.generate("le zèbre dort")
    assert caplog.messages[-1] == "prompt=le zèbre dort: not in the vocabulary, and read as <unk>: zèbre."


def test_a_run_without_a_language_model_is_named_with_its_command(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run")
    with pytest.raises(UserError, match=f"use this run with `seqvise translate run={path}`"):
        seqvise.load_language_model(path)
