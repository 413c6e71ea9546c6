"""Runs `seqvise train` with the given overrides and kills it with SIGKILL in the middle of its Nth training step."""
import os, signal, sys
step = int(sys.argv.pop(1))
import pytorch_lightning.loops.training_epoch_loop as loop
advance = loop._TrainingEpochLoop.advance
count = 0
def killed(self, data_fetcher):
    global count
    count += 1
    if count == step:
        os.kill(os.getpid(), signal.SIGKILL)
    return advance(self, data_fetcher)
loop._TrainingEpochLoop.advance = killed
from seqvise.cli.main import main
sys.exit(main(["train", *sys.argv[1:]]))
