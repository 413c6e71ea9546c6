"""Image transforms for evaluation and training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    import torchvision
    from PIL import Image
    from PIL.Image import Image as Picture
else:
    torchvision = pytest.importorskip("torchvision")
    Image = pytest.importorskip("PIL.Image")

from seqvise.images.backbones import Backbone
from seqvise.images.options import AugmentOptions, TransformOptions
from seqvise.images.transforms import Preset, RandomShorterSide, apply_seeded, evaluation_transform, training_transform


def noise(height: int, width: int) -> Picture:
    return Image.fromarray(np.random.default_rng(height).integers(0, 255, (height, width, 3)).astype(np.uint8))


@pytest.mark.parametrize("name", ["MobileNet_V2_Weights.IMAGENET1K_V2", "Swin_T_Weights.IMAGENET1K_V1"])
@pytest.mark.parametrize("size", [(300, 260), (120, 500), (224, 224)])
def test_evaluation_equals_the_transform_of_the_weights(name: str, size: tuple[int, int]) -> None:
    weights = torchvision.models.get_weight(name)
    preset = Preset.of_weights(weights)
    transformed = evaluation_transform(preset)(noise(*size))
    assert transformed.dtype == torch.uint8
    assert transformed.shape == (3, preset.crop, preset.crop)
    # The backbone normalizes the colours; here its body is the identity.
    backbone = Backbone(torch.nn.Identity(), preset, False)
    backbone.pool = torch.nn.Identity()  # type: ignore[assignment]
    torch.testing.assert_close(backbone(transformed[None])[0], weights.transforms()(noise(*size)), rtol=0, atol=2e-6)


def test_options_override_the_preset_of_the_weights() -> None:
    preset = Preset(232, 224, interpolation="bicubic")
    assert preset.with_options(TransformOptions()) == preset
    changed = preset.with_options(TransformOptions(mean=[0.5, 0.5, 0.5], interpolation="bilinear"))
    assert changed == Preset(232, 224, mean=(0.5, 0.5, 0.5))
    assert preset.with_options(TransformOptions(crop=112)).resize == 116
    assert preset.with_options(TransformOptions(crop=112, resize=112)).resize == 112


def test_a_seeded_transform_is_a_function_of_its_key() -> None:
    transform = training_transform(Preset(20, 16), AugmentOptions())
    image = noise(40, 50)
    state = torch.get_rng_state()
    first = apply_seeded(transform, image, (1, 2, 3))
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(5)
    assert torch.equal(apply_seeded(transform, image, (1, 2, 3)), first)
    others = [apply_seeded(transform, image, key) for key in ((1, 2, 4), (1, 3, 3), (2, 2, 3))]
    assert all(not torch.equal(other, first) for other in others)


def test_without_augmentation_a_square_image_is_unchanged() -> None:
    transform = training_transform(Preset(16, 16), AugmentOptions(zoom=1.0, flip=False, rotate=0.0, lighting=0.0))
    image = noise(16, 16)
    np.testing.assert_array_equal(apply_seeded(transform, image, (0,)).permute(1, 2, 0), np.asarray(image))


def test_half_of_the_images_are_mirrored() -> None:
    transform = training_transform(Preset(16, 16), AugmentOptions(zoom=1.0, flip=True, rotate=0.0, lighting=0.0))
    image = noise(16, 16)
    unchanged = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    results = [apply_seeded(transform, image, (number,)) for number in range(200)]
    assert all(torch.equal(result, unchanged) or torch.equal(result, unchanged.flip(2)) for result in results)
    assert 70 <= sum(torch.equal(result, unchanged) for result in results) <= 130


def test_zoom_and_lighting_stay_within_their_bounds() -> None:
    augment = AugmentOptions(zoom=1.5, flip=False, rotate=0.0, lighting=0.2)
    transform = training_transform(Preset(16, 16), augment)
    grey = Image.new("RGB", (32, 32), (100, 100, 100))
    levels = [apply_seeded(transform, grey, (number,)).float().mean().item() for number in range(100)]
    assert 79 <= min(levels) < 90
    assert 110 < max(levels) <= 121
    assert {tuple(apply_seeded(transform, noise(40, 60), (number,)).shape) for number in range(20)} == {(3, 16, 16)}


SIZES = [(1, 1), (20_000, 30), (30, 20_000), (1, 20_000), (5, 3), (224, 224), (223, 353), (353, 223), (225, 225)]
ROUNDED_DOWN = [side for side in range(1, 1000) if int(side * (224 / side)) < 224]


def size_examples(test: Callable[..., None]) -> Callable[..., None]:
    for size in [*SIZES, *((side, side + 99) for side in ROUNDED_DOWN[:3])]:
        test = example(size)(test)
    return test


@settings(max_examples=25, deadline=None)
@given(st.tuples(st.integers(1, 900), st.integers(1, 900)))
@size_examples
def test_an_image_of_any_size_becomes_the_crop(size: tuple[int, int]) -> None:
    preset, augment = Preset(), AugmentOptions(zoom=1.0)
    image = Image.new("RGB", size, (100, 150, 200))
    assert evaluation_transform(preset)(image).shape == (3, 224, 224)
    for transform in (training_transform(preset, augment), training_transform(preset, AugmentOptions())):
        assert apply_seeded(transform, image, (0, *size)).shape == (3, 224, 224)


@pytest.mark.parametrize("size", [(300, 260), (260, 900), (64, 64), (90, 500)])
def test_the_shorter_side_is_scaled_like_torchvision(size: tuple[int, int]) -> None:
    ours = RandomShorterSide(224, 246, "bilinear")
    theirs = torchvision.transforms.v2.RandomShortestSize(list(range(224, 247)), antialias=True)
    for seed in range(5):
        torch.manual_seed(seed)
        scaled = ours(noise(*size))
        torch.manual_seed(seed)
        expected = theirs(noise(*size))
        if min(expected.size) == min(scaled.size):
            np.testing.assert_array_equal(np.asarray(scaled), np.asarray(expected))


def test_long_strips_are_cropped_to_the_middle_or_a_random_part() -> None:
    pixels = np.zeros((10, 4000, 3), np.uint8)
    pixels[:, 1990:2010] = 200
    transformed = evaluation_transform(Preset(16, 16))(Image.fromarray(pixels))
    assert transformed.float().mean() > 190
    transform = training_transform(Preset(16, 16), AugmentOptions(rotate=0.0, lighting=0.0))
    ramp = np.repeat(np.linspace(0, 255, 4000).astype(np.uint8)[None, :, None], 3, 2).repeat(10, 0)
    levels = [apply_seeded(transform, Image.fromarray(ramp), (n,)).float().mean().item() for n in range(60)]
    assert min(levels) < 40
    assert max(levels) > 215
