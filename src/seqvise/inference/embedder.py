"""A trained image-to-word model: vectors of images, words and labels in one space."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
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
from seqvise.images.wordnet import WordNet, is_synset
from seqvise.moved import original
from seqvise.options import option
from seqvise.retrieval.image_index import Binding, Embedded
from seqvise.retrieval.indexes.nearest import Rows
from seqvise.runs.directory import ASSETS, NETWORK
from seqvise.runs.load import Run, trained_on
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
    """A trained image-to-word model with its words and labels. The backbone is loaded for the first image."""

    run: Run  # the run directory
    labels: LabelTable  # the labels of training and evaluation
    lexicon: Lexicon  # the words of the space into which images are embedded
    device: str = "cpu"  # a torch device name, or ``auto``
    wordnet: Path | None = None  # the folder of WordNet's files; None: the folder that the run used

    @property
    def options(self) -> ImageOptions:
        """The run's `data` node."""
        return cast(ImageOptions, self.run.config.data)

    @cached_property
    def binding(self) -> Binding:
        """Identifies the checkpoint, the backbone and the image transform that an index of this model belongs to."""
        data = self.options
        weights = None if data.weights is None else Path(data.weights).name
        shaping = [digest_file(self.run.checkpoint()), original(data.backbone), weights, asdict(data.transform)]
        return Binding(digest(json.dumps(shaping)), data.policy, str(self.run.path))

    @property
    def hypernyms(self) -> float:
        """Weight of WordNet's hypernyms in the vectors of the run's labels; 0 if vectors use words only."""
        return self.options.hypernyms if self.options.wordnet else 0.0

    @cached_property
    def titles(self) -> dict[str, str]:
        """Label name -> title for display."""
        return dict(zip(self.labels.names, self.labels.titles, strict=True))

    def titles_of(self, labels: Iterable[str]) -> dict[str, str]:
        """Titles of the run's labels, and of those other labels that are synset ids in the WordNet folder."""
        synsets = {label for label in labels if is_synset(label)}.difference(self.titles)
        file = None if self.wordnet_folder is None else self.wordnet_folder / "words.txt"
        if not synsets or file is None or not file.is_file():
            return self.titles
        wordnet = WordNet.read(file)
        return {**self.titles, **{synset: wordnet.lemmas(synset)[0] for synset in synsets if synset in wordnet}}

    @cached_property
    def seen(self) -> frozenset[str]:
        """Names of the labels seen in training: from the run's assets, or else from its config."""
        file = self.run.path / ASSETS / LABELS / SEEN_LABELS
        if file.is_file():
            return frozenset(file.read_text(encoding="utf-8").split("\n")[:-1])
        return frozenset(seen_and_held_out(self.options, self.labels.names)[0])

    @cached_property
    def held_out(self) -> frozenset[str]:
        """Names of the run's labels that were not seen in training."""
        return frozenset(self.labels.names) - self.seen

    @property
    def calibration(self) -> float:
        """Amount subtracted from the scores of seen labels when unseen labels are candidates, too."""
        return float(option(self.run.config.model, "calibration") or 0.0)

    def vector(self, word: str) -> Rows | None:
        """(D,) the vector of a word, or else of a label with that name or title; None if there is neither."""
        vector = self.lexicon.vector(word)
        if vector is not None:
            return vector
        for names in (self.labels.names, self.labels.titles):
            if word in names:
                return np.asarray(self.labels.vectors[names.index(word)])
        return None

    def from_subwords(self, word: str) -> Rows | None:
        """(D,) the vector that a fastText ``.bin`` file composes from subwords; None without such a file."""
        path = Path(self.run.config.vectors.target or "")
        if path.suffix != ".bin" or not path.is_file() or self.run.config.vectors.whiten:
            return None
        from seqvise.vectors.binary import read_binary

        vectors = read_binary(path, [word])
        return vectors.matrix[0] if vectors.matrix[0].any() else None

    def spelled_like(self, word: str, k: int) -> list[str]:
        """The k words with the most similar spelling."""
        return self.lexicon.spelled_like(word, k)

    def sample_words(self, count: int) -> Rows:
        """(count, D) unit vectors of words drawn at random from the most frequent ones."""
        rows = np.flatnonzero(self.lexicon.norms[:FREQUENT])
        return self.lexicon.units(np.sort(np.random.default_rng(0).permutation(rows)[:count]))

    def with_labels(self, names: Sequence[str]) -> LabelTable:
        """The run's labels, extended by those names that get a vector by the run's label policy."""
        new_names = [name for name in names if name not in self.labels.names]
        if not new_names:
            return self.labels
        try:
            new_labels, _ = label_table(
                new_names,
                self.options.policy,
                self.lexicon,
                self._wordnet(),
                missing="leave_out",
                hypernyms=self.hypernyms,
            )
        except UserError:
            # None of the names has a vector.
            return self.labels
        return LabelTable(
            (*self.labels.names, *new_labels.names),
            (*self.labels.titles, *new_labels.titles),
            (*self.labels.synsets, *new_labels.synsets),
            np.concatenate([self.labels.vectors, new_labels.vectors]),
        )

    @property
    def wordnet_folder(self) -> Path | None:
        """The folder of WordNet's files; None if the run has none."""
        folder = self.wordnet or self.options.wordnet
        return Path(folder) if folder else None

    def _wordnet(self) -> WordNet | None:
        """The nouns of the WordNet folder; None if the run has no such folder, or if it no longer exists."""
        folder = self.wordnet_folder
        if folder is None:
            return None
        words, edges = folder / "words.txt", folder / "parent_child.txt"
        if words.is_file() and (edges.is_file() or not self.hypernyms):
            return WordNet.read(words, edges if self.hypernyms else None)
        if self.hypernyms:
            log.warning(
                "%s has no %s: labels unseen in training use the vectors of their words only, without hypernyms. "
                "Set wordnet= to a folder with both.",
                folder,
                " and no ".join(file.name for file in (words, edges) if not file.is_file()),
            )
        return None

    def embed_images(self, images: ImageList, cache: Path, progress: Progress | None = None) -> Embedded:
        """Vectors of images, computed from their features, which are stored in the cache.

        Raises:
            UserError: the backbone or its weights are missing, or no image can be read.
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

    def embed_files(self, paths: Sequence[str | Path]) -> Rows:
        """(N, D) vectors of image files.

        Raises:
            UserError: files cannot be read (all of them are listed), or the backbone's weights are missing.
        """
        import torch

        from seqvise.images.decoding import BadImageError, decode
        from seqvise.images.transforms import evaluation_transform

        decoded, messages = [], []
        for path in paths:
            try:
                decoded.append(decode(Path(path)))
            except BadImageError as error:
                messages.append(f"image={path} cannot be read: {error}.")
        if messages:
            raise UserError(*messages)
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
        """The model and its backbone, which has the checkpoint's weights if it was trained, too."""
        from seqvise.images.backbones import load_network
        from seqvise.runs.model import build_image_model, with_weights

        self._check_weights()
        network = load_network(self.options)
        model = with_weights(self.run, build_image_model(self.run.config, network, self.labels.dim))
        if not self.options.precompute:
            # The backbone has the checkpoint's weights.
            network = replace(network, digest=self.binding.model)
        return cast("Devise", model.to(self._device)), network

    def _check_weights(self) -> None:
        weights = self.options.weights
        if weights and is_weights_file(weights) and not Path(weights).is_file():
            raise UserError(
                f"The backbone of {self.run.path} is missing: its weights were {weights}. Put that file there, or at "
                f"{self.run.path / ASSETS / NETWORK / Path(weights).name}."
            )

    def _project(self, model: Devise, features: NDArray[np.floating]) -> Rows:
        """Projects (N, F) features to (N, D) unit vectors."""
        import torch

        with torch.inference_mode():
            inputs = torch.from_numpy(features.astype(np.float32)).to(self._device)
            return np.asarray(model.embed(inputs).cpu().numpy())


def load_embedder(path: str | Path | Run, device: str = "cpu", trust: bool = False) -> Embedder:
    """Loads the model of a run, or of an open run, with its words and labels; see ``load_run``."""
    run = Run.open(path, trust)
    if not isinstance(run.config.data, ImageOptions):
        raise UserError(
            f"{run.path} cannot search images: {trained_on(run)}. Give a run of an image-to-word model (model=devise)."
        )
    run.checkpoint()
    assets = run.path / ASSETS
    labels, lexicon = LabelTable.load(assets / LABELS), Lexicon.load(assets / WORDS)
    if labels.dim != lexicon.dim:
        raise UserError(
            f"{assets} is damaged: vectors of labels have {labels.dim} dimensions, but vectors of words {lexicon.dim}."
        )
    return Embedder(run, labels, lexicon, device)
