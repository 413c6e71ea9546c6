"""Backbones without classifier heads, and weights from files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from seqvise.errors import UserError
from seqvise.images.backbones import Backbone, Network, layer_groups, load_network
from seqvise.images.options import ImageOptions, TransformOptions
from seqvise.images.transforms import Preset
from tests.images.draw import SMALL, TINY, TinyNetwork

if TYPE_CHECKING:
    from torchvision import models
else:
    models = pytest.importorskip("torchvision").models


def options(**choices: Any) -> ImageOptions:
    return ImageOptions(**{"backbone": "mobilenet_v2", "weights": None, "transform": SMALL, **choices})


def noise(count: int = 2, height: int = 64, width: int = 64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, generator=generator)


def saved(path: Path, content: object) -> str:
    torch.save(content, path)
    return str(path)


@pytest.mark.parametrize(
    ("name", "width", "has_head"),
    [
        ("alexnet", 256, False),
        ("resnet18", 512, True),
        ("mobilenet_v2", 1280, True),
        ("mobilenet_v3_small", 576, True),
        ("squeezenet1_1", 512, False),
        ("shufflenet_v2_x0_5", 1024, True),
        ("regnet_y_400mf", 440, True),
    ],
)
def test_torchvision_models_return_a_vector_for_any_image_size(name: str, width: int, has_head: bool) -> None:
    network = load_network(options(backbone=name, transform=TransformOptions(resize=64, crop=64)))
    assert network.features == width
    assert (network.head is not None) == has_head
    for height, breadth in ((64, 64), (96, 80)):
        with torch.inference_mode():
            assert network.backbone(noise(2, height, breadth)).shape == (2, width)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "shufflenet_v2_x0_5"])
def test_head_of_features_equals_the_whole_model(name: str) -> None:
    network = load_network(options(backbone=name), seed=3)
    torch.manual_seed(3)
    model = models.get_model(name).eval()
    normalized = (noise().float() / 255 - torch.tensor(Preset().mean).view(3, 1, 1)) / torch.tensor(Preset().std).view(
        3, 1, 1
    )
    assert network.head is not None
    with torch.inference_mode():
        torch.testing.assert_close(network.head(network.backbone(noise())), model(normalized))


def test_random_weights_depend_on_the_seed_and_keep_the_generator_state() -> None:
    state = torch.get_rng_state()
    digests = {seed: load_network(options(), seed).digest for seed in (1, 2)}
    assert torch.equal(torch.get_rng_state(), state)
    assert load_network(options(), 1).digest == digests[1] != digests[2]


@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"state_dict": state, "epoch": 3}])
@pytest.mark.parametrize("kind", [torch.float32, torch.float16])
def test_weights_come_from_a_file(tmp_path: Path, wrap: Any, kind: torch.dtype) -> None:
    model = TinyNetwork()
    state = {key: value.to(kind) if value.is_floating_point() else value for key, value in model.state_dict().items()}
    prefixed = {f"module.{key}": value for key, value in state.items()}
    network = load_network(options(backbone=TINY, weights=saved(tmp_path / "tiny.pt", wrap(prefixed))))
    torch.testing.assert_close(network.backbone.body.features[2].weight, state["features.2.weight"].float())  # type: ignore[index,union-attr]
    assert {value.dtype for value in network.backbone.parameters()} == {torch.float32}
    assert network.head is not None
    torch.testing.assert_close(network.head.weight, state["classifier.weight"].float())


def test_a_file_may_lack_the_classifier(tmp_path: Path) -> None:
    state = {key: value for key, value in TinyNetwork().state_dict().items() if not key.startswith("classifier")}
    network = load_network(options(backbone=TINY, weights=saved(tmp_path / "tiny.pt", state)))
    assert network.head is None
    assert network.features == 8


def test_a_file_with_torchvisions_name_has_the_preset_of_those_weights(tmp_path: Path) -> None:
    entry = models.MobileNet_V2_Weights.IMAGENET1K_V2
    file = saved(tmp_path / Path(entry.url).name, models.mobilenet_v2().state_dict())
    assert load_network(options(weights=file, transform=TransformOptions())).preset.resize == 232
    other = saved(tmp_path / "mine.pth", models.mobilenet_v2().state_dict())
    assert load_network(options(weights=other, transform=TransformOptions())).preset == Preset()


def network_of(file: Path, **choices: Any) -> Network:
    return load_network(options(backbone=TINY, weights=str(file), **choices))


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    state = TinyNetwork().state_dict()
    state["features.2.weight"] = torch.zeros(8, 6, 5, 5)
    state["strange"] = state.pop("features.0.0.bias")
    saved(tmp_path / "other.pt", state)
    with pytest.raises(UserError) as caught:
        network_of(tmp_path / "other.pt")
    (sentence,) = caught.value.messages
    assert "does not fit tests.images.draw.TinyNetwork" in sentence
    assert "1 missing (such as features.0.0.bias), 1 unknown (such as strange)" in sentence
    assert "1 of another shape (such as features.2.weight)" in sentence


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"junk", "not a weights file"), ([1, 2], "no state_dict"), ({"a": 1}, "no state_dict")],
)
def test_files_without_weights_are_refused(tmp_path: Path, content: object, message: str) -> None:
    file = tmp_path / "weights.pt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        saved(file, content)
    with pytest.raises(UserError, match=message):
        network_of(file)


class Planted:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("planted",)


def test_a_pickled_command_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "weights.pt", Planted())
    with pytest.raises(UserError, match="not a weights file"):
        network_of(tmp_path / "weights.pt")
    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"backbone": "resnet5"}, "data.backbone is 'resnet5', but must be one of"),
        ({"weights": "IMAGENET"}, "has the weights IMAGENET1K_V1, IMAGENET1K_V2"),
        ({"backbone": "no.such.Network"}, "cannot be imported"),
        ({"backbone": "torch.nn.NoNetwork"}, "torch.nn has no such function"),
        ({"backbone": "seqvise.images.backbones.load_network"}, "has a function of that name, not a class"),
        ({"backbone": "seqvise.images.transforms.Preset"}, "creates no torch.nn.Module"),
        ({"backbone": "tests.images.draw.__doc__"}, "that is a str, not a function"),
        ({"backbone": "squeezenet1_1"}, r"16 x 16 pixels .*data\.transform\.crop"),
        ({"backbone": "vit_b_32"}, r"16 x 16 pixels .*data\.transform\.crop"),
    ],
)
def test_unknown_names_are_refused(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_network(options(**choices))


def test_failed_downloads_of_weights_suggest_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(UserError, match=r"https://.*no route to host.*data\.weights=FILE"):
        load_network(options(weights="IMAGENET1K_V1"))


def test_frozen_batch_norm_keeps_its_statistics_in_training() -> None:
    for frozen in (True, False):
        backbone = Backbone(TinyNetwork().features, Preset(), frozen_statistics=frozen).train()
        before = {name: value.clone() for name, value in backbone.named_buffers()}
        backbone(noise())
        changed = {name for name, value in backbone.named_buffers() if not torch.equal(value, before[name])}
        assert (not changed) == frozen
        assert backbone.training
        assert all(weight.requires_grad for weight in backbone.parameters())


def test_resnet_is_split_after_its_second_stage() -> None:
    model = models.resnet50()
    model.fc = nn.Identity()
    early, late = layer_groups(model)
    names = {id(weight): name for name, weight in model.named_parameters()}
    assert {names[id(weight)].partition(".")[0] for weight in early} == {"conv1", "bn1", "layer1", "layer2"}
    assert {names[id(weight)].partition(".")[0] for weight in late} == {"layer3", "layer4"}


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18", "vgg11", "densenet121", "vit_b_32"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_groups_have_every_weight_once_and_in_order(name: str, count: int) -> None:
    with torch.device("meta"):
        model = models.get_model(name)
    groups = layer_groups(model, count)
    assert len(groups) == count
    assert all(groups)
    grouped = [id(weight) for group in groups for weight in group]
    assert sorted(grouped) == sorted(map(id, model.parameters()))


def test_more_groups_than_blocks_is_an_error() -> None:
    with pytest.raises(ValueError, match="cannot be split into 4 groups"):
        layer_groups(nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)), 4)
