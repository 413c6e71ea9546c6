"""A run whose backbone computes the mean colour of an image, and whose words are colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from seqvise.images.backbones import Network
from seqvise.images.labels import LabelTable
from seqvise.images.options import ImageOptions, TransformOptions
from seqvise.images.transforms import Preset
from seqvise.inference.embedder import Embedder
from seqvise.runs.load import Run
from seqvise.vectors.lexicon import Lexicon

COLOURS = {
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "yellow": (3, 3, 0),
    "sea_green": (0, 1, 1),
    "rose": (2, 1, 1),
}
PRESET = Preset(resize=8, crop=8)


class MeanColour(nn.Module):
    """(B, 3, H, W) to (B, 3)."""

    def forward(self, images: Tensor) -> Tensor:
        """The mean over pixels, in [0, 1]."""
        return images.float().mean((2, 3)) / 255


class AsItIs:
    """A model that uses normalized features as vectors."""

    def embed(self, features: Tensor) -> Tensor:
        """(N, 3) unit vectors."""
        return functional.normalize(features, dim=1)


class ColourEmbedder(Embedder):
    """An embedder without trained weights."""

    @property
    def _model(self) -> Any:
        network = Network("colours", MeanColour(), 3, None, PRESET, "colours")  # type: ignore[arg-type]
        return AsItIs(), network


def colour_embedder(
    folder: Path, checkpoint: bytes = b"one", held_out: Sequence[str] = (), calibration: float = 0.0
) -> ColourEmbedder:
    """An embedder for a run directory that is created in the folder; another checkpoint is another model."""
    run = folder / "run"
    (run / "checkpoints").mkdir(parents=True, exist_ok=True)
    (run / "checkpoints" / "best.ckpt").write_bytes(checkpoint)
    transform = TransformOptions(resize=8, crop=8)
    data = ImageOptions(name="colours", root="x", workers=0, transform=transform, held_out=[*held_out])
    config = SimpleNamespace(
        data=data,
        model=SimpleNamespace(calibration=calibration),
        paths=SimpleNamespace(cache=str(folder / "cache")),
        vectors=SimpleNamespace(target=None, whiten=0),
    )
    words = tuple(COLOURS)
    matrix = np.array([COLOURS[word] for word in words], np.float32)
    labels = words[:3]
    table = LabelTable(labels, ("Red", "Green", "Blue"), (None,) * 3, np.eye(3, dtype=np.float32))
    return ColourEmbedder(Run(run, config), table, Lexicon(words, matrix, "colours"), "cpu")  # type: ignore[arg-type]


def paint(path: Path, colour: tuple[float, ...], light: int = 200) -> Path:
    """An image of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scaled = tuple(round(light * part / max(colour)) for part in colour)
    Image.new("RGB", (12, 10), scaled).save(path)
    return path


def paint_folder(root: Path) -> Path:
    """Creates folders of red, green and blue images in several shades."""
    for name in ("red", "green", "blue"):
        for number in range(4):
            colour = np.array(COLOURS[name], float)
            colour[(colour.argmax() + 1) % 3] = number / 10
            paint(root / name / f"{number}.png", tuple(colour))
    return root
