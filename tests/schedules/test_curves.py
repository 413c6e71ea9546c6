"""Curves against values worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.models.options import ForcingOptions
from seqvise.schedules.curves import (
    Bounded,
    Constant,
    Cosine,
    Curve,
    Linear,
    MomentumMirror,
    Noam,
    OneCycle,
    OneCycleAnnihilate,
    Paced,
    Position,
    build_schedules,
)
from seqvise.schedules.options import ScheduleOptions


def at(curve: Curve, step: int, steps: int, epoch: int = 0, epochs: int = 1) -> float:
    return curve(Position(step, steps, epoch, epochs))


@pytest.mark.parametrize(
    ("step", "factor"),
    [(0, 0.05), (5, 0.525), (10, 1.0), (55, 0.525), (100, 0.05), (99, 0.05 + 0.95 / 90), (1, 0.145), (28, 0.81)],
)
def test_one_cycle_climbs_for_a_tenth_and_falls_for_the_rest(step: int, factor: float) -> None:
    assert at(OneCycle(20, 10), step, 100) == pytest.approx(factor)


@pytest.mark.parametrize(
    ("step", "rate", "momentum"),
    [
        (0, 0.1, 0.95),
        (225, 0.55, 0.9),
        (450, 1.0, 0.85),
        (675, 0.55, 0.9),
        (900, 0.1, 0.95),
        (950, 0.0505, 0.95),
        (999, 0.00199 / 2 + 0.000995, 0.95),
        (1000, 0.001, 0.95),
    ],
)
def test_annihilating_cycle_and_its_momentum(step: int, rate: float, momentum: float) -> None:
    assert at(OneCycleAnnihilate(10, 100), step, 1000) == pytest.approx(rate)
    assert at(MomentumMirror(0.95, 0.85), step, 1000) == pytest.approx(momentum)


@pytest.mark.parametrize(("step", "factor"), [(0, 0.25), (1, 0.5), (3, 1.0), (15, 0.5), (35, 1 / 3)])
def test_noam_peaks_at_the_end_of_its_warmup(step: int, factor: float) -> None:
    assert at(Noam(4), step, 100) == pytest.approx(factor)


def test_lesson_forcing_falls_by_a_tenth_an_epoch() -> None:
    forcing = Linear(1.0, 0.0, 10, "epoch")
    ratios = [at(forcing, 7 * epoch + 3, 84, epoch, 12) for epoch in range(12)]
    assert ratios == pytest.approx([1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0, 0])


def test_forcing_by_step_moves_at_every_step() -> None:
    forcing = Linear(0.8, 0.4, 4, "step")
    assert [at(forcing, step, 10, step // 5, 2) for step in range(6)] == pytest.approx([0.8, 0.7, 0.6, 0.5, 0.4, 0.4])


def test_forcing_over_all_of_training_leaves_the_end_to_the_step_after() -> None:
    assert [at(Linear(1, 0, None, "step"), step, 4) for step in range(5)] == [1, 0.75, 0.5, 0.25, 0]
    assert [at(Linear(1, 0, None, "epoch"), 0, 8, epoch, 4) for epoch in range(4)] == [1, 0.75, 0.5, 0.25]


def test_by_epoch_a_rate_stands_still_within_one() -> None:
    curve = Paced(OneCycle(20, 2), unit="epoch")
    rates = [at(curve, step, 12, step // 3, 4) for step in range(12)]
    assert rates == pytest.approx([0.05] * 3 + [0.525] * 3 + [1.0] * 3 + [0.525] * 3)


def test_short_cycle_starts_again() -> None:
    curve = Paced(OneCycle(20, 2), cycle_epochs=2)
    rates = [at(curve, step, 8, step // 2, 4) for step in range(8)]
    assert rates == pytest.approx([0.05, 0.525, 1.0, 0.525] * 2)


@given(st.integers(0, 400), st.integers(1, 400), st.floats(1, 50), st.floats(1, 50))
def test_factors_stay_within_their_bounds(step: int, steps: int, div: float, ratio: float) -> None:
    assert 1 / div - 1e-9 <= at(OneCycle(div, ratio), step, steps) <= 1 + 1e-9
    assert 1 / (div * ratio) - 1e-9 <= at(OneCycleAnnihilate(div, ratio), step, steps) <= 1 + 1e-9
    assert 0.85 - 1e-9 <= at(MomentumMirror(), step, steps) <= 0.95 + 1e-9


@pytest.mark.parametrize(
    ("step", "factor"), [(0, 0.25), (3, 1.0), (4, 0.5 + 0.25 * 3**0.5), (6, 0.5), (8, 0.5 - 0.25 * 3**0.5)]
)
def test_cosine_warms_up_and_falls_so_that_the_last_step_still_trains(step: int, factor: float) -> None:
    assert at(Cosine(4), step, 9) == pytest.approx(factor)
    assert at(Cosine(4), 9, 9) == pytest.approx(0)


def test_cosine_restarts_with_each_cycle() -> None:
    curve = Paced(Cosine(2), cycle_epochs=1)
    values = [at(curve, step, 12, step // 4, 3) for step in range(12)]
    assert values[:4] == pytest.approx([0.5, 1.0, 0.75, 0.25])
    assert values[4:] == pytest.approx(values[:8])


def test_own_curve_by_its_class() -> None:
    class Halved:
        def __init__(self, options: ScheduleOptions) -> None:
            self.div = options.div

        def __call__(self, position: Position) -> float:
            return 1 / self.div if position.progress < 0.5 else 1.0

    curves = build_schedules(ScheduleOptions(name="mine.Halved", div=4), None, Halved)
    assert [at(curves["lr"], step, 4) for step in range(4)] == [0.25, 0.25, 1.0, 1.0]


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("one_cycle", {"lr"}),
        ("one_cycle_annihilate", {"lr", "momentum"}),
        ("constant", {"lr"}),
        ("cosine", {"lr"}),
        ("noam", {"lr"}),
        ("plateau", set()),
    ],
)
def test_each_schedule_moves_its_own_numbers(name: str, names: set[str]) -> None:
    assert build_schedules(ScheduleOptions(name=name), None).keys() == names
    assert build_schedules(ScheduleOptions(name=name), ForcingOptions()).keys() == names | {"teacher_forcing"}


def test_options_reach_the_curves() -> None:
    schedule = ScheduleOptions(name="one_cycle_annihilate", div=10, final=5, momentum_high=0.9, momentum_low=0.7)
    curves = build_schedules(schedule, ForcingOptions(1, 0.2, 4, "step"))
    assert at(curves["lr"], 100, 100) == pytest.approx(0.02)
    assert at(curves["momentum"], 45, 100) == pytest.approx(0.7)
    assert at(curves["teacher_forcing"], 2, 100) == pytest.approx(0.6)


def test_what_is_longer_than_training_says_so() -> None:
    end = Position(30, 30, 3, 3)
    too_long: list[tuple[Bounded, str]] = [
        (Paced(Constant(), cycle_epochs=4), "schedule.cycle_epochs is 4, but training has 3 epochs"),
        (Linear(1, 0, 10, "epoch", "model.teacher_forcing.over"), "over is 10 epochs, but training has 3"),
        (Linear(1, 0, 31, "step"), "over is 31 steps, but training has 30"),
        (Paced(Cosine(30)), "schedule.warmup is 30 steps, but training, or its cycle, has 30"),
        (Paced(Cosine(10), cycle_epochs=1), "schedule.warmup is 10 steps, but training, or its cycle, has 10"),
    ]
    for curve, sentence in too_long:
        assert sentence in (curve.problem(end) or "")
    fitting: list[Bounded] = [Paced(Constant(), cycle_epochs=3), Linear(1, 0, 3), Linear(1, 1, 10), Linear(1, 0)]
    fitting += [Paced(Cosine(29)), Paced(Cosine(9), cycle_epochs=1)]
    assert [curve.problem(end) for curve in fitting] == [None] * 6
