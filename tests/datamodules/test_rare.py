"""Training batches with random unknown source words."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from seqvise.corpus.parallel.options import DataOptions
from seqvise.corpus.parallel.prepare import prepare_corpus
from seqvise.corpus.parallel.store import TokenStore
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.datamodules.parallel import ParallelDataModule, RarePairDataset
from seqvise.datamodules.sampler import EpochRows
from seqvise.models.interface import EOS, PAD, UNK, PairBatch

ALPHA, EPOCHS = 2.0, 400


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    data = DataOptions(name="phrasebook", format="phrasebook", limit=20)
    return prepare_corpus(data, TokenizerOptions(name="words"), tmp_path_factory.mktemp("cache"))


def rare(store: TokenStore, seed: int = 3) -> RarePairDataset:
    part = store.part("train")
    assert part is not None
    return RarePairDataset(part, store.source.vocabulary.counts, ALPHA, seed, 1)


def source_of(batch: PairBatch) -> NDArray[np.int64]:
    ids: NDArray[np.int64] = batch.source.ids[0].numpy()
    return ids


def test_the_rate_of_unknowns_follows_the_count_of_the_word(store: TokenStore) -> None:
    data, counts = rare(store), np.asarray(store.source.vocabulary.counts)
    for row in (0, 7):
        stored = np.asarray(data.source[row])
        drawn = np.stack([source_of(data[EpochRows(epoch, [row])]) for epoch in range(EPOCHS)])
        assert np.isin(drawn[drawn != stored], UNK).all()
        assert (drawn[:, -1] == EOS).all()
        expected = ALPHA / (ALPHA + counts[stored[:-1]])
        assert np.abs((drawn[:, :-1] == UNK).mean(0) - expected).max() < 5 * (0.25 / EPOCHS) ** 0.5
        assert len(set(expected)) > 1


def test_draws_depend_on_seed_epoch_and_row_alone(store: TokenStore) -> None:
    data = rare(store)
    together, alone = data[EpochRows(4, [2, 9, 5])], data[EpochRows(4, [9])]
    assert [index for index in together.source.ids[1].tolist() if index != PAD] == alone.source.ids[0].tolist()

    def source_ids(data: RarePairDataset, epoch: int) -> list[list[int]]:
        return data[EpochRows(epoch, list(range(20)))].source.ids.tolist()

    assert source_ids(data, 1) == source_ids(rare(store), 1)
    assert source_ids(data, 1) != source_ids(data, 2)
    assert source_ids(data, 1) != source_ids(rare(store, seed=4), 1)


def test_targets_and_validation_are_unchanged(store: TokenStore) -> None:
    data = rare(store)
    for row in range(20):
        assert data[EpochRows(0, [row])].target[0].tolist() == list(data.target[row])
    replaced, plain = (
        ParallelDataModule(store, DataOptions(batch_size=4, rare_as_unknown=alpha), 1) for alpha in (1e6, None)
    )
    assert [batch.source.ids.tolist() for batch in replaced.val_dataloader()] == [
        batch.source.ids.tolist() for batch in plain.val_dataloader()
    ]
    hidden = np.concatenate([batch.source.ids.numpy().ravel() for batch in replaced.train_dataloader()])
    assert set(np.unique(hidden)) <= {UNK, EOS, PAD}
    assert UNK not in np.concatenate([batch.source.ids.numpy().ravel() for batch in plain.train_dataloader()])
