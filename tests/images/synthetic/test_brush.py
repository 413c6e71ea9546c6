"""Coordinates, polygons, patterns and random draws of the built-in pictures."""

import colorsys
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.dice import Dice
from seqvise.images.synthetic.brush import Brush, Placement, box, moved, oval, rotated
from seqvise.images.synthetic.classes import PATTERNS
from seqvise.images.synthetic.colours import HUES, contrasting, darker, lighter, shade_of
from seqvise.images.synthetic.patterns import draw_pattern

BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (200, 10, 20)
SHARES = {"checkered": 0.5, "dotted": math.pi * 0.29**2, "striped": 0.5, "zigzag": 0.42}
"""Pattern -> the fraction of a surface that its ink covers."""


def canvas(side: int = 100):  # type: ignore[no-untyped-def]
    image = pytest.importorskip("PIL.Image")
    return image.new("RGB", (side, side), BLACK)


def test_a_placement_scales_mirrors_rotates_clockwise_and_translates() -> None:
    assert Placement((10, 20), 5).pixels([(1, -1)]) == [(15, 15)]
    assert Placement((10, 20), 5, mirrored=True).pixels([(1, -1)]) == [(5, 15)]
    rotated_right = Placement((10, 20), 5, math.pi / 2, mirrored=True).pixels([(1, -1)])
    assert rotated_right == [pytest.approx((15, 15))]


def test_points_are_rotated_about_any_point_and_translated() -> None:
    assert rotated([(2, 1)], 90, about=(1, 1))[0] == pytest.approx((1, 2))
    assert moved([(1, 2)], 10, 20, scale=3, mirrored=True) == [(7, 26)]


def test_an_oval_is_on_its_ellipse_and_within_its_angles() -> None:
    quarter = oval(1, 2, 3, 4, start=0, end=90)
    assert quarter[0] == (4, 2)
    assert quarter[-1] == pytest.approx((1, 6))
    assert all(((x - 1) / 3) ** 2 + ((y - 2) / 4) ** 2 == pytest.approx(1) for x, y in quarter)


def test_patterns_are_clipped_to_the_polygon() -> None:
    image = canvas()
    Brush(image, Placement((50, 50), 50)).fill_pattern(
        box(-0.5, -0.5, 0, 0.5), [box(-1, -1, 1, 0), box(-1, 0.8, 1, 1)], RED
    )
    assert image.getpixel((35, 35)) == RED
    assert image.getpixel((65, 35)) == BLACK, "outside the polygon"
    assert image.getpixel((35, 65)) == BLACK, "outside the pattern"
    assert image.getpixel((35, 97)) == BLACK, "outside both"


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_covers_its_fraction_of_a_surface_in_any_direction(pattern: str) -> None:
    shares = []
    for seed in range(12):
        image = canvas(300)
        draw_pattern(Brush(image, Placement((150, 150), 150)), box(-1, -1, 1, 1), pattern, WHITE, RED, Dice(f"{seed}"))
        counts = {colour: count for count, colour in image.getcolors()}
        assert set(counts) <= {WHITE, RED}
        shares.append(counts[RED] / 300**2)
    assert sum(shares) / len(shares) == pytest.approx(SHARES[pattern], abs=0.03)


@given(st.text(max_size=5), st.sampled_from(sorted(HUES)))
def test_a_shade_has_the_hue_of_its_name(seed: str, name: str) -> None:
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in shade_of(name, Dice(seed))))
    low, high = HUES[name]
    degrees = 360 * hue - 360 * (360 * hue > high + 2)
    assert low - 1.5 <= degrees <= high + 1.5
    assert saturation > 0.68
    assert value > 0.64


@given(st.text(max_size=5))
def test_contrasting_colours_are_a_pale_and_a_strong_one(seed: str) -> None:
    pale, strong = sorted(contrasting(Dice(seed)), key=min, reverse=True)
    assert min(pale) - min(strong) > 90


def test_a_colour_moves_towards_black_or_white_by_a_share() -> None:
    assert darker((100, 200, 40), 0.25) == (75, 150, 30)
    assert lighter((100, 200, 40), 0.5) == (178, 228, 148)


def test_draws_depend_on_their_seed() -> None:
    def draws(seed: str) -> list[float]:
        dice = Dice(seed)
        return [dice.between(2, 5), dice.pick(range(1000)), dice.between(2, 5)]

    assert draws("a") == draws("a") != draws("b")
    assert all(2 <= Dice(f"{seed}").between(2, 5) < 5 for seed in range(50))
    assert {Dice(f"{seed}").pick("abc") for seed in range(100)} == set("abc")
