"""Imported by the fork server of ``tests.forked``: what a training otherwise imports or computes first."""

import sacrebleu  # noqa: F401
import torch.distributed  # noqa: F401

import seqvise.cli.train
import seqvise.cli.translate
import seqvise.datamodules.parallel
import seqvise.metrics.text
import seqvise.models.recurrent.model
import seqvise.training.fit
import seqvise.training.pretrained_seq2seq
import seqvise.training.translation  # noqa: F401
from seqvise.corpus.phrasebook.corpus import cached_pairs

cached_pairs()
