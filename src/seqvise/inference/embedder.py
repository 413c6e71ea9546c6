"""A run whose model puts images among words."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from seqvise.errors import UserError
from seqvise.files import digest, digest_file
from seqvise.images.labels import LabelTable, label_table
from seqvise.images.listing import SEEN_LABELS, ImageList, seen_and_held_out
from seqvise.images.options import ImageOptions, is_weights_file
from seqvise.images.wordnet import WordNet
from seqvise.moved import original
from seqvise.retrieval.image_index import Binding, Embedded
from seqvise.retrieval.indexes.nearest import Rows
from seqvise.runs.directory import ASSETS, NETWORK
from seqvise.runs.load import Run
from seqvise.vectors.lexicon import Lexicon

if TYPE_CHECKING:
    from seqvise.images.backbones import Network
    from seqvise.models.devise.model import Devise

log = logging.getLogger(__name__)

LABELS, WORDS = "labels", "words"
BATCH = 1024
FREQUENT = 20_000
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Embedder:
    """A trained model with its words and labels. Its network is read when the first image asks for it.

    Attributes:
        run: the run directory.
        labels: that the model was trained or tested with.
        lexicon: words of the space that images are put into.
        device: as torch names them, or ``auto``.
        wordnet: where WordNet's files are now; None: where the run had them.
    """

    run: Run
    labels: LabelTable
    lexicon: Lexicon
    device: str = "cpu"
    wordnet: Path | None = None

    @property
    def options(self) -> ImageOptions:
        """The run's `data` node."""
        return cast(ImageOptions, self.run.config.data)

    @cached_property
    def binding(self) -> Binding:
        """What an index of this model is bound to: the checkpoint, the network and how images are brought to it."""
        data = self.options
        weights = None if data.weights is None else Path(data.weights).name
        shaping = [digest_file(self.run.checkpoint()), original(data.backbone), weights, asdict(data.transform)]
        return Binding(digest(json.dumps(shaping)), data.policy, str(self.run.path))

    @property
    def hypernyms(self) -> float:
        """Weight of WordNet's hypernyms in the vectors of the run's labels; 0: they are of words alone."""
        return self.options.hypernyms if self.options.wordnet else 0.0

    @cached_property
    def titles(self) -> dict[str, str]:
        """How a person reads each label, by its name."""
        return dict(zip(self.labels.names, self.labels.titles, strict=True))

    @cached_property
    def seen(self) -> frozenset[str]:
        """Names of the labels that training saw: as the run keeps them, else by its config."""
        file = self.run.path / ASSETS / LABELS / SEEN_LABELS
        if file.is_file():
            return frozenset(file.read_text(encoding="utf-8").split("\n")[:-1])
        return frozenset(seen_and_held_out(self.options, self.labels.names)[0])

    @property
    def calibration(self) -> float:
        """What the run takes off the scores of seen labels where others compete with them."""
        return float(getattr(self.run.config.model, "calibration", 0.0))

    def vector(self, word: str) -> Rows | None:
        """(D,) the vector of a word, else of a label of that name or title; None where there is neither."""
        found = self.lexicon.vector(word)
        if found is not None:
            return found
        for names in (self.labels.names, self.labels.titles):
            if word in names:
                return np.asarray(self.labels.vectors[names.index(word)])
        return None

    def from_subwords(self, word: str) -> Rows | None:
        """(D,) the vector that a fastText ``.bin`` file makes of a word's parts; None without such a file."""
        path = Path(self.run.config.vectors.target or "")
        if path.suffix != ".bin" or not path.is_file() or self.run.config.vectors.whiten:
            return None
        from seqvise.vectors.binary import read_binary

        found = read_binary(path, [word])
        return found.matrix[0] if found.matrix[0].any() else None

    def spelled_like(self, word: str, k: int) -> list[str]:
        """Words that are spelled nearly so."""
        return self.lexicon.spelled_like(word, k)

    def sample_words(self, count: int) -> Rows:
        """(count, D) vectors of words drawn from the most frequent ones, of length 1."""
        rows = np.flatnonzero(self.lexicon.norms[:FREQUENT])
        return self.lexicon.units(np.sort(np.random.default_rng(0).permutation(rows)[:count]))

    def with_labels(self, names: Sequence[str]) -> LabelTable:
        """The run's labels, and those of the names that are not among them and have a vector by its label policy."""
        strangers = [name for name in names if name not in self.labels.names]
        if not strangers:
            return self.labels
        try:
            more, _ = label_table(
                strangers,
                self.options.policy,
                self.lexicon,
                self._wordnet(),
                missing="leave_out",
                hypernyms=self.hypernyms,
            )
        except UserError:
            # Not one of them has a vector.
            return self.labels
        return LabelTable(
            (*self.labels.names, *more.names),
            (*self.labels.titles, *more.titles),
            (*self.labels.synsets, *more.synsets),
            np.concatenate([self.labels.vectors, more.vectors]),
        )

    @property
    def wordnet_folder(self) -> Path | None:
        """Where WordNet's files are looked for; None if the run has none."""
        told = self.wordnet or self.options.wordnet
        return Path(told) if told else None

    def _wordnet(self) -> WordNet | None:
        """The nouns of the folder of WordNet; None if the run has none, or if it is gone."""
        folder = self.wordnet_folder
        if folder is None:
            return None
        words, edges = folder / "words.txt", folder / "parent_child.txt"
        if words.is_file() and (edges.is_file() or not self.hypernyms):
            return WordNet.read(words, edges if self.hypernyms else None)
        if self.hypernyms:
            log.warning(
                "%s has no %s: labels that training did not have keep the vectors of their words, without hypernyms. "
                "Give wordnet= the folder of both.",
                folder,
                " and no ".join(file.name for file in (words, edges) if not file.is_file()),
            )
        return None

    def images(self, images: ImageList, cache: Path, progress: Progress | None = None) -> Embedded:
        """Vectors of images, by way of their features, which are kept in the cache.

        Raises:
            UserError: the network or its weights are missing, or not one of the images can be read.
        """
        from seqvise.images.features import extract

        model, network = self._model
        store = extract(images, network, self.options, cache, self._device, progress)
        rows = store.good(np.arange(len(images)))
        vectors = [
            self._project(model, store.read(rows[start : start + BATCH])) for start in range(0, len(rows), BATCH)
        ]
        faults = tuple(f"{images.root / path}: {reason}" for path, reason in store.bad_files().items())
        return Embedded(np.concatenate(vectors), rows, faults)

    def files(self, paths: Sequence[Path]) -> Rows:
        """(N, D) vectors of image files.

        Raises:
            UserError: a file cannot be read, all such files at once; or the network's weights are missing.
        """
        import torch

        from seqvise.images.decoding import BadImageError, decode
        from seqvise.images.transforms import evaluation_transform

        decoded, problems = [], []
        for path in paths:
            try:
                decoded.append(decode(path))
            except BadImageError as error:
                problems.append(f"image={path} cannot be read: {error}.")
        if problems:
            raise UserError(*problems)
        model, network = self._model
        transform = evaluation_transform(network.preset)
        with torch.inference_mode():
            images = torch.stack([transform(image) for image in decoded]).to(self._device)
            features = network.backbone.to(self._device)(images).half().cpu().numpy()
        return self._project(model, features)

    @cached_property
    def _device(self) -> Any:
        from seqvise.inference.translator import find_device

        return find_device(self.device)

    @cached_property
    def _model(self) -> tuple[Devise, Network]:
        """The model, and the network below it: with the checkpoint's weights where it was trained too."""
        from seqvise.images.backbones import load_network
        from seqvise.runs.model import build_image_model, with_weights

        self._check_weights()
        network = load_network(self.options)
        model = with_weights(self.run, build_image_model(self.run.config, network, self.labels.dim))
        if not self.options.precompute:
            # Its weights are the checkpoint's now.
            network = replace(network, digest=self.binding.model)
        return cast("Devise", model.to(self._device)), network

    def _check_weights(self) -> None:
        weights = self.options.weights
        if weights and is_weights_file(weights) and not Path(weights).is_file():
            raise UserError(
                f"The network of {self.run.path} is absent: its weights were {weights}. Put that file there, or at "
                f"{self.run.path / ASSETS / NETWORK / Path(weights).name}."
            )

    def _project(self, model: Devise, features: NDArray[np.floating]) -> Rows:
        """(N, F) features to (N, D) unit vectors."""
        import torch

        with torch.inference_mode():
            inputs = torch.from_numpy(features.astype(np.float32)).to(self._device)
            return np.asarray(model.embed(inputs).cpu().numpy())


def load_embedder(path: str | Path, device: str = "cpu", trust: bool = False) -> Embedder:
    """The model of a run with its words and labels.

    Args:
        path: the run directory.
        device: as torch names them, or ``auto`` for CUDA where there is one.
        trust: import classes outside of seqvise, torch and Lightning that its config names.

    Raises:
        UserError: it is not the run directory of a model from images to words, or has no checkpoint yet.
    """
    run = Run.open(path, trust)
    if not isinstance(run.config.data, ImageOptions):
        raise UserError(
            f"{run.path} cannot search images: it was trained with data.kind={run.config.data.kind}. Give the run of a "
            "model from images to words (model=devise)."
        )
    run.checkpoint()
    assets = run.path / ASSETS
    labels, lexicon = LabelTable.load(assets / LABELS), Lexicon.load(assets / WORDS)
    if labels.dim != lexicon.dim:
        raise UserError(f"{assets} is damaged: its labels have {labels.dim} numbers each, and its words {lexicon.dim}.")
    return Embedder(run, labels, lexicon, device)
