"""The image-to-word task (DeViSE): loss and metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from seqvise.datamodules.images import ImageBatch, ImageDataModule
from seqvise.models.devise import losses as ranking_losses
from seqvise.models.devise.model import Devise
from seqvise.models.devise.options import DeviseOptions
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.base import Task
from seqvise.tasks.distributed_means import Totals, gather_lists
from seqvise.tasks.options import MonitorOptions, OptimizerOptions
from seqvise.tasks.samples import EmbeddedImages
from seqvise.tasks.zero_shot import HELD_OUT, SEEN, Images, ZeroShot

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Outputs (B, D), labels (B,) and the table (L, D) of label vectors to a scalar."""
KINDS = (SEEN, HELD_OUT)


class ImageToWord(Task):
    """Trains a model to map an image to the word vector of its label.

    Validation logs ``val/loss`` of the head without the prior, and ``val/hit@k``, ``val/hp@k``,
    ``val/text_to_image_map`` and ``val/image_to_label_map`` of seen labels. With held-out labels, it also logs their
    metrics (``val/held_out/hit@k``), and those of both kinds of images among all labels. The test adds every noun as
    candidates, and the chance level as ``test/chance/...``. ``extra_metrics`` are written to ``metrics.json`` as well.

    Args:
        model: the model.
        optimizer, schedule, monitor, seed: see ``Task``.
        protocol: the labels, and which of them are seen in training.
    """

    model: Devise
    unit = "images"
    has_outputs = True
    unfreeze_all = "[0,0]"

    def __init__(
        self,
        model: Devise,
        optimizer: OptimizerOptions,
        schedule: ScheduleOptions,
        monitor: MonitorOptions,
        protocol: ZeroShot,
        seed: int,
    ) -> None:
        super().__init__(model, optimizer, schedule, monitor, seed)
        self.protocol, self.loss = protocol, loss_of(model.options)
        table_rows = np.full(len(protocol.labels), -1, np.int64)
        table_rows[protocol.seen] = np.arange(len(protocol.seen))
        self.table_rows: Tensor
        self.table: Tensor
        # Seen labels only, so that held-out labels repel no image. Not persistent: they come from the run's assets.
        self.register_buffer("table_rows", torch.from_numpy(table_rows), persistent=False)
        self.register_buffer("table", torch.from_numpy(protocol.labels.vectors[protocol.seen]), persistent=False)
        self.images: dict[str, Images] = {}
        self.rows: dict[str, list[int]] = {}

    @property
    def embedded_images(self) -> EmbeddedImages | None:
        """The images of the last validation, for display; None before the first one."""
        data = None if self._trainer is None else self.trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, ImageDataModule) or not self.images:
            return None
        labels = self.protocol.labels
        files = [data.split.images.file(row) for rows in self.rows.values() for row in rows]
        vectors, shown = (np.concatenate(parts) for parts in zip(*self.images.values(), strict=True))
        return EmbeddedImages(labels.titles, labels.vectors, vectors, shown, files)

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        """The batch's share of the mean loss over the images of the optimizer step."""
        outputs = self.model.head(self.model.features(batch.inputs))
        loss = self.loss(outputs, self.table_rows[batch.labels], self.table)
        self.log("train/loss", loss.detach())
        return loss * self._scales(batch, batch_idx).means[0]

    def loss_counts(self, batch: ImageBatch) -> tuple[int, ...]:
        """The number of images."""
        return (len(batch),)

    def validation_step(self, batch: ImageBatch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Adds a batch of images: seen labels in the first loader, held-out labels in the second."""
        self._evaluate(batch, KINDS[dataloader_idx])

    def test_step(self, batch: ImageBatch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Adds a batch, see ``validation_step``."""
        self._evaluate(batch, KINDS[dataloader_idx])

    def on_validation_epoch_end(self) -> None:
        """Logs ``val/*``."""
        self._gather()
        self.log("val/loss", self._totals.means(self.device)["loss"], rank_zero_only=False)
        for name, value in self.protocol.metrics(self.images):
            self._log(f"val/{name.removeprefix(f'{SEEN}/')}", value)
        self._measure("val")

    def on_test_epoch_end(self) -> None:
        """Logs ``test/*`` and ``test/chance/*``."""
        self._gather()
        for name, value in self.protocol.metrics(self.images, nouns=True):
            self._log(f"test/{name}", value)
        for name, value in self.protocol.chances(self.images, nouns=True):
            self._log(f"test/chance/{name}", value)
        self._measure("test")

    def _start_evaluation(self) -> None:
        self._totals = Totals()
        self._embedded: dict[str, list[tuple[int, int, np.ndarray]]] = {}

    @torch.no_grad()
    def _evaluate(self, batch: ImageBatch, kind: str) -> None:
        features = self.model.features(batch.inputs)
        if kind == SEEN:
            loss = self.loss(self.model.head(features), self.table_rows[batch.labels], self.table)
            self._totals.add("loss", loss * len(batch), len(batch))
        vectors = self.model.embed(features).float().cpu().numpy()
        rows = zip(batch.rows.tolist(), batch.labels.tolist(), vectors, strict=True)
        self._embedded.setdefault(kind, []).extend(rows)

    def _gather(self) -> None:
        """Gathers the images of all processes, in the order of the data set."""
        self.images, self.rows = {}, {}
        for kind, embedded in self._embedded.items():
            unique = {row: (label, vector) for row, label, vector in gather_lists(embedded)}
            self.rows[kind] = sorted(unique)
            ordered = [unique[row] for row in self.rows[kind]]
            labels = np.array([label for label, _ in ordered], np.int64)
            self.images[kind] = Images(np.stack([vector for _, vector in ordered]), labels)

    def _measure(self, stage: str) -> None:
        """Logs the user's metrics of the seen images: names of the nearest and of the true seen labels."""
        if not self.metric_functions:
            return
        names, protocol, images = self.protocol.labels.names, self.protocol, self.images[SEEN]
        nearest = protocol.seen[protocol.candidates(SEEN).scores(images.vectors).argmax(1)]
        self.log_functions(stage, *([names[label] for label in labels] for labels in (nearest, images.labels)))

    def _log(self, name: str, value: float) -> None:
        # Undefined metrics are skipped, such as hierarchical precision if no label reaches enough candidates.
        if np.isfinite(value):
            self.log(name, value, rank_zero_only=False)


def loss_of(options: DeviseOptions) -> Loss:
    """The loss named by `model.loss`, with its parameters."""
    hinge = ranking_losses.hinge if options.negatives == "all" else ranking_losses.hinge_first
    losses: dict[str, Loss] = {
        "cosine": ranking_losses.cosine,
        "hinge": partial(hinge, margin=options.margin),
        "contrastive": partial(ranking_losses.contrastive, temperature=options.temperature),
        "l1": ranking_losses.l1,
        "mse": ranking_losses.mse,
    }
    return losses[options.loss]
