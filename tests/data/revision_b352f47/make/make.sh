set -e
export PYTHONPATH=$CHECKOUT/src OMP_NUM_THREADS=1 GIT_CEILING_DIRECTORIES=/tmp SEQVISE_CACHE=cache
train="data=phrasebook data.limit=60 data.batch_size=20 model.embedding=4 model.encoder_hidden=4 model.decoder_hidden=4 loss.precision=fp32"
train="$train trainer=cpu trainer.max_epochs=4 optimizer.lr=0.1 schedule=plateau schedule.patience=1 callbacks.patience=4"
train="$train callbacks.progress=false callbacks.samples=1 callbacks.attention_maps=0 logger=tensorboard seed=2"
train="$train monitor.metric=val/lesson_loss monitor.mode=min"
python -m seqvise.cli.main train $train hydra.run.dir=runs/finished
set +e
python kill.py 11 $train hydra.run.dir=runs/killed
test $? = 137
