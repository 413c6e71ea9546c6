"""The small backbone for the built-in pictures, and its training."""

from functools import partial
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor
from torch.nn import functional

from seqvise.config.search_path import conf_folder
from seqvise.images.backbones import load_network, read_weights
from seqvise.images.listing import ImageSplit, find_images
from seqvise.images.options import ImageOptions, TransformOptions
from seqvise.images.synthetic import network as pictures_weights
from seqvise.images.synthetic import scene as dataset
from seqvise.images.synthetic.classes import NAMES
from seqvise.images.synthetic.network import (
    MAX_SHIFT,
    MEAN,
    STD,
    WIDTHS,
    PicturesNetwork,
    accuracy,
    augmented,
    lr_factor,
    scaled,
    train_network,
    weights_file,
)
from seqvise.images.synthetic.scene import SIDE, draw_set


def two_colours(count: int = 48) -> tuple[Tensor, Tensor]:
    """Noise around red with label 3, and around blue with label 7."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([3, 7]).repeat(count // 2)
    images = torch.randint(0, 90, (count, 3, 16, 16), generator=generator)
    images[labels == 3, 0] += 150
    images[labels == 7, 2] += 150
    return images.to(torch.uint8), labels


def test_training_fits_and_depends_on_its_seed() -> None:
    images, labels = two_colours()
    before = torch.get_rng_state()
    reports: list[tuple[int, int]] = []
    network = train_network(images, labels, seed=5, epochs=3, progress=lambda *epochs: reports.append(epochs))
    assert reports == [(1, 3), (2, 3), (3, 3)]
    assert accuracy(network, images, labels) == 1.0
    assert accuracy(network, images, labels.flip(0)) == 0.0
    again = train_network(images, labels, seed=5, epochs=3)
    assert all(torch.equal(weight, again.state_dict()[name]) for name, weight in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), before), "training keeps the caller's generator state"


def test_the_learning_rate_warms_up_for_a_fifth_and_then_decays() -> None:
    assert [lr_factor(progress) for progress in (0, 0.1, 0.2, 0.6, 1)] == pytest.approx([0, 0.5, 1, 0.5, 0])


def test_features_are_the_means_of_the_last_two_maps() -> None:
    network = PicturesNetwork().eval()
    network.classifier = torch.nn.Identity()  # type: ignore[assignment]
    images = torch.randn(2, 3, 64, 64)
    textures = network.textures(network.lines(images))
    assert textures.shape == (2, WIDTHS[2], 16, 16)
    assert torch.equal(network(images), torch.cat([textures.mean((2, 3)), network.shapes(textures).mean((2, 3))], 1))


def test_colours_are_normalized_as_in_the_data_node() -> None:
    node = yaml.safe_load((conf_folder() / "data" / "pictures.yaml").read_text())["transform"]
    assert node == {"resize": SIDE, "crop": SIDE, "mean": [MEAN] * 3, "std": [STD] * 3}
    images = torch.tensor([0, 128, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    assert scaled(images).flatten().tolist() == pytest.approx([-2, (128 / 255 - 0.5) * 4, 2], abs=1e-6)


def test_an_augmented_picture_is_a_shift_mirrored_or_not() -> None:
    torch.manual_seed(0)
    image = torch.randint(0, 255, (1, 3, 12, 12), dtype=torch.uint8)
    padded = functional.pad(image.float(), (MAX_SHIFT,) * 4, mode="replicate").to(torch.uint8)
    offsets = [(y, x) for y in range(2 * MAX_SHIFT + 1) for x in range(2 * MAX_SHIFT + 1)]
    plain = [padded[0, :, y : y + 12, x : x + 12] for y, x in offsets]
    mirrored = [picture.flip(2) for picture in plain]
    results = augmented(image.expand(200, -1, -1, -1))
    kinds = [
        (
            any(torch.equal(picture, candidate) for candidate in plain),
            any(torch.equal(picture, candidate) for candidate in mirrored),
        )
        for picture in results
    ]
    assert all(a or b for a, b in kinds)
    assert 60 < sum(a for a, _ in kinds) < 140
    assert len({picture.numpy().tobytes() for picture in results}) > 80


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> ImageOptions:
    pytest.importorskip("PIL")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "PICTURES_PER_CLASS", {"train": 2, "valid": 1, "test": 1})
        root = draw_set(tmp_path_factory.mktemp("cache"), 0)
    return ImageOptions(layout="pictures", root=str(root), held_out=["sail_boat", "red_bird"])


def split(options: ImageOptions) -> ImageSplit:
    return find_images(options).split(options)


def test_weights_are_trained_once_without_held_out_labels(
    drawn: ImageOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_sets: list[set[str]] = []

    def train(images: Tensor, labels: Tensor, *_: int, **__: object) -> PicturesNetwork:
        assert images.shape == (len(labels), 3, 64, 64)
        label_sets.append({NAMES[label] for label in labels.tolist()})
        return PicturesNetwork().eval()

    monkeypatch.setattr(pictures_weights, "train_network", train)
    file = weights_file(split(drawn), tmp_path, 0)
    assert weights_file(split(drawn), tmp_path, 0) == file
    assert label_sets == [set(NAMES) - {"sail_boat", "red_bird"}]
    fewer = split(ImageOptions(layout="pictures", root=drawn.root, held_out=["sail_boat"]))
    assert weights_file(fewer, tmp_path, 0) != file
    assert weights_file(split(drawn), tmp_path, 1) != file
    assert label_sets[1] == set(NAMES) - {"sail_boat"}


def test_the_weights_file_is_loaded_as_a_backbone(
    drawn: ImageOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures_weights, "train_network", partial(train_network, epochs=1))
    file = weights_file(split(drawn), tmp_path, 0)
    assert not [name for name in read_weights(file) if "classifier" in name]
    transform = TransformOptions(64, 64, [0.5] * 3, [0.25] * 3)
    network = load_network(
        ImageOptions(
            backbone="seqvise.images.synthetic.network.PicturesNetwork", weights=str(file), transform=transform
        )
    )
    assert network.features == WIDTHS[2] + WIDTHS[3]
    assert network.head is None
    images = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8)
    plain = PicturesNetwork()
    plain.load_state_dict(read_weights(file), strict=False)
    plain.classifier = torch.nn.Identity()  # type: ignore[assignment]
    assert torch.allclose(network.backbone(images), plain.eval()(scaled(images)), atol=1e-4)
