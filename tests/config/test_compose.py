"""Composition: the defaults, what wins over what, and every shipped experiment."""

from collections.abc import Iterator
from unittest.mock import patch

import pytest
from omegaconf import OmegaConf

from seqvise.config.compose import compose, compose_each, compose_what_fits
from seqvise.config.options import Config
from seqvise.config.schema import typed
from seqvise.config.search_path import choices, conf_folder
from seqvise.config.validate import validate
from seqvise.errors import UserError
from seqvise.models.recurrent.options import RecurrentOptions

EXPERIMENTS = choices("experiment")
TRANSLATIONS = ("multi30k/", "lesson11/rnn", "lesson11/bidirectional", "lesson11/teacher_forcing", "lesson11/attention")
ASKED = {"lesson11/devise": ("vectors.target=words.vec",)}
"""Files that an experiment does not name by itself."""
SMALL_GROUPS = ("data", "tokenizer", "vectors", "model", "optimizer", "schedule", "trainer", "logger", "debug")


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    """Every optional package, whatever is installed here: what ships is valid without regard to it."""
    with patch("seqvise.config.validate.find_spec"):
        yield


def config(*overrides: str) -> Config:
    return typed(compose(overrides))


def test_the_default_is_a_valid_run() -> None:
    assert validate(compose()) == []
    composed = config()
    assert composed.data.name == "phrasebook"
    assert isinstance(composed.model, RecurrentOptions)
    assert (composed.model.bidirectional, composed.model.attention) == (True, "additive")


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_is_valid_on_its_own_data(experiment: str) -> None:
    assert validate(compose([f"experiment={experiment}", *ASKED.get(experiment, ())])) == []


@pytest.mark.parametrize("experiment", [name for name in EXPERIMENTS if name.startswith(TRANSLATIONS)])
@pytest.mark.parametrize("data", ["tatoeba", "multi30k", "giga_fren"])
def test_every_translation_is_valid_on_every_corpus(experiment: str, data: str) -> None:
    assert validate(compose([f"experiment={experiment}", f"data={data}", "vectors=none"])) == []


@pytest.mark.parametrize("group", SMALL_GROUPS)
def test_every_choice_composes(group: str) -> None:
    names = choices(group)
    assert names
    for name in names:
        typed(compose([f"{group}={name}"]))


def test_seeds_have_the_numbers_of_the_lesson() -> None:
    composed = config("experiment=lesson11/attention", "data=multi30k")
    forcing = composed.model.teacher_forcing
    assert (composed.optimizer.lr, composed.optimizer.betas, composed.trainer.max_epochs) == (2e-3, [0.8, 0.99], 15)
    assert (forcing.start, forcing.end, forcing.over, forcing.unit, forcing.draw) == (1.0, 0.0, 10.0, "epoch", "step")
    assert (composed.schedule.name, composed.schedule.div, composed.schedule.cut) == ("one_cycle", 20.0, 10.0)
    assert (composed.data.batch_size, composed.data.valid_batch_size, composed.data.max_tokens.target) == (125, 200, 29)
    assert composed.loss.count_padding
    assert composed.trainer.gradient_clip_val is None


@pytest.mark.parametrize(
    ("name", "bidirectional", "attention", "forcing", "state", "lr"),
    [
        ("rnn", False, "none", 0.0, 0.0, 3e-3),
        ("bidirectional", True, "none", 0.0, 0.05, 3e-3),
        ("teacher_forcing", False, "none", 1.0, 0.0, 3e-3),
        ("attention", False, "additive", 1.0, 0.0, 2e-3),
    ],
)
def test_seeds_differ_in_one_trick_each(
    name: str, bidirectional: bool, attention: str, forcing: float, state: float, lr: float
) -> None:
    composed = config(f"experiment=seed/{name}", "data=tatoeba")
    model = composed.model
    assert (model.bidirectional, model.attention, model.teacher_forcing.start) == (bidirectional, attention, forcing)
    assert (model.dropout.state, composed.optimizer.lr) == (state, lr)


@pytest.mark.parametrize(("data", "questions"), [("giga_fren", True), ("tatoeba", True), ("multi30k", False)])
def test_questions_are_asked_of_corpora_that_have_them(data: str, questions: bool) -> None:
    assert config("experiment=lesson11/rnn", f"data={data}").data.questions_only is questions


def test_the_command_line_wins_over_an_experiment() -> None:
    composed = config(
        "experiment=lesson11/rnn", "data=tatoeba", "data.batch_size=7", "optimizer=sgd", "trainer.max_epochs=3"
    )
    assert (composed.data.name, composed.data.batch_size) == ("tatoeba", 7)
    assert (composed.optimizer.name, composed.trainer.max_epochs) == ("sgd", 3)
    assert composed.optimizer.lr == 3e-3, "the experiment's own settings still lie over the group"


def test_a_models_own_node_may_have_any_keys() -> None:
    cfg = OmegaConf.merge(compose(), {"model": None})
    OmegaConf.update(cfg, "model", {"_target_": "builtins.dict", "wings": 2}, force_add=True)
    assert typed(cfg).model == {"_target_": "builtins.dict", "wings": 2}  # type: ignore[arg-type]


def test_types_survive_plain_yaml() -> None:
    cfg = compose(["experiment=lesson11/attention", "data=tatoeba"])
    plain = OmegaConf.create(OmegaConf.to_yaml(cfg, resolve=True))
    assert typed(plain) == typed(cfg)  # type: ignore[arg-type]


def test_every_key_of_the_schema_is_in_a_file() -> None:
    cfg = compose()
    shown = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "trainer"])
    text = "\n".join(path.read_text(encoding="utf-8") for path in conf_folder().rglob("*.yaml"))
    for key in _leaves(OmegaConf.to_container(shown)):
        assert f"{key}:" in text, f"{key} is explained nowhere"


def test_a_sweep_without_its_flag_is_told() -> None:
    with pytest.raises(UserError, match="-m"):
        compose(["model=rnn,full"])


def _leaves(node: object) -> set[str]:
    if not isinstance(node, dict):
        return set()
    return set(node).union(*map(_leaves, node.values()))


def test_the_language_models_have_their_published_numbers() -> None:
    composed = config("experiment=lm/ptb_awd")
    model, dropout = composed.model, composed.model.dropout
    assert (model.embedding, model.hidden, model.layers, model.tie_output) == (400, 1150, 3, True)
    rates = (dropout.output, dropout.hidden, dropout.input, dropout.words, dropout.weights, dropout.scale)
    assert rates == (0.4, 0.25, 0.4, 0.1, 0.5, 1.0)
    assert (model.activation, model.temporal, model.rescale_rate) == (2.0, 1.0, True)
    assert (composed.optimizer.name, composed.optimizer.lr, composed.optimizer.momentum) == ("sgd", 30.0, 0.0)
    assert (composed.optimizer.weight_decay, composed.trainer.gradient_clip_val) == (1.2e-6, 0.25)
    assert (composed.data.bptt, composed.data.batch_size, composed.trainer.max_epochs) == (70, 20, 500)
    assert (composed.callbacks.average, composed.callbacks.average_patience) == ("nt_asgd", 5)


def test_the_lessons_language_model_and_classifier_have_its_numbers() -> None:
    composed = config("experiment=lesson10/lm")
    dropout = composed.model.dropout
    scaled = [dropout.input, dropout.output, dropout.weights, dropout.words, dropout.hidden, dropout.scale]
    assert scaled == [0.25, 0.1, 0.2, 0.02, 0.15, 0.7]
    assert (composed.optimizer.lr, composed.optimizer.betas, composed.optimizer.weight_decay) == (
        1e-3,
        [0.8, 0.99],
        1e-7,
    )
    assert (composed.data.batch_size, composed.data.bptt, composed.trainer.max_epochs) == (52, 70, 15)
    assert not composed.model.rescale_rate
    judge = config("experiment=lesson10/classifier")
    assert [rate * judge.optimizer.lr for rate in judge.model.group_rates] == pytest.approx([1e-4] * 3 + [1e-3, 1e-2])
    assert (judge.model.head, judge.model.window, judge.model.span) == (50, 70, 1400)
    assert (judge.data.batch_size, judge.trainer.gradient_clip_val) == (24, 25.0)


def test_the_jobs_of_a_sweep_are_composed_as_each_alone() -> None:
    jobs = [
        ["model=rnn", "optimizer.lr=1e-3", "seed=1", "+callbacks.extra.a._target_=x.A"],
        ["model=rnn", "optimizer.lr=1e-2", "seed=2", "+callbacks.extra.a._target_=x.A"],
        ["model=rnn", "optimizer.lr=1e-2", "seed=2", "+callbacks.extra.a._target_=x.B"],
        ["model=attention", "optimizer.lr=1e-2", "seed=2", "+callbacks.extra.a._target_=x.B"],
        ["model=attention", "optimizer.lr=many", "seed=2", "+callbacks.extra.a._target_=x.B"],
        ["model=attention", "optimizer.lr=1e-4", "seed=2", "model.dropout={output: 0.125}"],
        ["model=attention", "optimizer.lr=1e-4", "seed=2", "model.dropout={encoder: 0.125}"],
        ["model=attention", "optimizer.lr=1e-4", "seed=2", "seed=3"],
        ["model=attention", "optimizer.lr=1e-4", "seed=4", "seed=3"],
    ]
    in_sweep = [(OmegaConf.to_yaml(cfg), errors) for cfg, errors in compose_each(jobs)]
    alone = [compose_what_fits(words) for words in jobs]
    assert in_sweep == [(OmegaConf.to_yaml(cfg), errors) for cfg, errors in alone]
    assert [bool(errors) for _, errors in in_sweep] == [number == 4 for number in range(len(jobs))]


@pytest.mark.parametrize("override", ["launcher=basic", "hydra/launcher=other"])
def test_the_launchers_are_listed_with_hydras_own(override: str) -> None:
    _, (message,) = compose_what_fits([override])
    assert "hydra/launcher" in message
    assert message.endswith("There are: basic, joblib, local, ray, slurm.")


def test_the_help_lists_every_launcher() -> None:
    template = (conf_folder() / "hydra" / "default.yaml").read_text()
    assert f"hydra/launcher (of a sweep, train -m): {', '.join(choices('hydra/launcher'))}\n" in template
