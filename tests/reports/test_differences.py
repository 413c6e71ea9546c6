"""The keys that become columns."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from seqvise.reports.differences import Differences, differences, ordered, text
from seqvise.reports.job import ABSENT, Job, Value, read_job
from tests.reports.folders import make_run


def job(settings: dict[str, Value], choices: tuple[str, ...] = (), overrides: tuple[str, ...] = ()) -> Job:
    return Job(Path(), settings, {name: str(settings[name]) for name in choices}, dict.fromkeys(overrides, ""))


def test_keys_determined_by_the_model_are_omitted() -> None:
    jobs = [
        job({"model": "rnn", "model.hidden": 4, "lr": rate}, ("model",), ("model", "lr")) for rate in (0.1, 0.2)
    ] + [job({"model": "full", "model.hidden": 8, "model.heads": 2, "lr": 0.1}, ("model",), ("model", "lr"))]
    assert differences(jobs).parameters == ("model", "lr")


def test_a_value_that_differs_within_a_choice_is_shown() -> None:
    jobs = [
        job({"model": model, "model.hidden": hidden}, ("model",), ("model",))
        for model, hidden in (("rnn", 4), ("rnn", 8), ("full", 8))
    ]
    assert differences(jobs).parameters == ("model", "model.hidden")


def test_keys_on_the_command_line_are_never_omitted() -> None:
    jobs = [
        job({"model": model, "model.hidden": hidden}, ("model",), ("model", "model.hidden"))
        for model, hidden in (("rnn", 4), ("full", 8))
    ]
    assert differences(jobs).parameters == ("model", "model.hidden")


def test_an_experiment_determines_all_keys_but_those_that_vary_within_it() -> None:
    jobs = [
        job({"experiment": name, "model": name, "lr": rate, "limit": limit}, ("experiment", "model"), ("experiment",))
        for name, rate, limit in (("a", 1.0, 5), ("b", 2.0, 5), ("b", 2.0, 6))
    ]
    assert differences(jobs).parameters == ("experiment", "limit")


def test_a_key_outside_the_group_is_shown_even_if_the_group_determines_it() -> None:
    jobs = [job({"model": model, "lr": rate}, ("model",), ("model",)) for model, rate in (("rnn", 0.1), ("full", 0.2))]
    assert differences(jobs).parameters == ("model", "lr")


def test_seeds_are_separate_and_copies_are_omitted() -> None:
    jobs = [job({"seed": seed, "data.seed": seed, "drawn": seed, "lr": 0.1}) for seed in (0, 1)]
    assert differences(jobs) == Differences((), ("seed", "data.seed"))


def test_the_folder_of_a_run_is_not_a_difference(tmp_path: Path) -> None:
    jobs = [
        read_job(make_run(tmp_path / name, {"logger": {"save_dir": f"{tmp_path / name}/logs"}})) for name in ("0", "1")
    ]
    assert jobs[0].settings["logger.save_dir"] == "RUN/logs"
    assert differences(jobs) == Differences((), ())


def test_a_missing_key_is_a_separate_value() -> None:
    jobs = [job({"lr": 0.1}), job({"lr": 0.1, "extra": None})]
    differing = differences(jobs)
    assert [differing.configuration(item) for item in jobs] == [(ABSENT,), (None,)]


def test_values_are_written_as_in_a_config() -> None:
    assert [text(value) for value in (True, None, 1e-5, 0.001, 3, "a b")] == [
        "true",
        "null",
        "1e-05",
        "0.001",
        "3",
        "a b",
    ]


@given(st.lists(st.floats(allow_nan=False) | st.integers(-9, 9) | st.sampled_from(["a", "b", True, None])))
def test_numbers_are_sorted_before_other_values(values: list[Value]) -> None:
    result = ordered(values)
    numbers = [value for value in result if isinstance(value, int | float) and not isinstance(value, bool)]
    assert result[: len(numbers)] == numbers == sorted(numbers)


def test_keys_of_the_command_line_come_first_in_its_order() -> None:
    settings: list[dict[str, Value]] = [
        {"model": "rnn", "lr": 0.1, "schedule": "a", "drawn": 1},
        {"model": "full", "lr": 0.2, "schedule": "a", "drawn": 5},
        {"model": "full", "lr": 0.2, "schedule": "b", "drawn": 9},
    ]
    jobs = [job(values, ("model", "schedule"), ("lr", "model")) for values in settings]
    assert differences(jobs).parameters == ("lr", "model", "schedule", "drawn")
