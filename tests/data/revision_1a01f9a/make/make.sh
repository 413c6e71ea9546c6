set -e
export PYTHONPATH=$CHECKOUT/src:/tmp/before OMP_NUM_THREADS=1 GIT_CEILING_DIRECTORIES=/tmp SEQVISE_CACHE=cache
PY=python
S="$PY -m seqvise.apps.main"
both() { name=$1; at=$2; shift 2; $S train "$@" hydra.run.dir=runs/$name; set +e; $PY kill.py $at "$@" hydra.run.dir=runs/${name}_killed; rc=$?; set -e; test $rc = 137; }
C="trainer=cpu callbacks.progress=false callbacks.samples=2 callbacks.attention_maps=1 logger=csv"
R="model.embedding=8 model.encoder_hidden=6 model.decoder_hidden=8"
$PY first.py
both translation 6 data=phrasebook data.limit=60 data.batch_size=20 $R $C trainer.max_epochs=3 callbacks.save_steps=2 model.dropout.scale=0.5 optimizer.lr=2e-2
both accumulated 9 data=phrasebook data.limit=60 data.batch_size=null data.batch_tokens=150 model=rnn $R $C trainer.max_epochs=4 trainer.accumulate_grad_batches=2 schedule=plateau schedule.patience=1 monitor.metric=val/loss monitor.mode=min
$S train data=phrasebook data.limit=200 tokenizer=sentencepiece tokenizer.max_words=120 model=transformer model.embedding=8 model.heads=2 model.feed_forward=8 model.encoder_layers=1 model.decoder_layers=1 $C trainer.max_epochs=1 hydra.run.dir=runs/transformer
L="model.embedding=8 model.hidden=10 model.layers=2"
both language_model 7 model=awd_lstm data=text_lines data.format=phrasebook data.limit=80 data.batch_size=4 data.bptt=20 $L monitor.metric=val/ppl monitor.mode=min $C trainer.max_epochs=3 trainer.accumulate_grad_batches=2 callbacks.save_steps=1
$PY labels.py
both classifier 6 model=text_classifier data=text_labels data.root=. data.train=labels.tsv data.limit=60 data.batch_size=10 model.encoder=runs/language_model $L model.head=6 monitor.metric=val/accuracy $C trainer.max_epochs=3 callbacks.save_steps=1
both devise 4 model=devise data=image_folder data.root=images data.limit=4 data.batch_size=4 data.valid_batch_size=4 data.backbone=seqvise.images.pictures_network.PicturesNetwork data.weights=network.pt "data.transform={resize: 20, crop: 16, mean: [0.5,0.5,0.5], std: [0.25,0.25,0.25]}" data.workers=0 vectors=fasttext vectors.target=words.vec vectors.dim=4 model.hidden=8 monitor.metric=val/loss monitor.mode=min $C trainer.max_epochs=3 callbacks.save_steps=1
for kind in exact nmslib faiss; do $S index run=runs/devise images=images output=indexes/$kind index=$kind device=cpu; done
$S encoder run=runs/language_model output=encoder
$S shortlist run=runs/translation output=shortlist.tsv
for f in onnx torchscript; do $S export run=runs/translation output=exported/$f format=$f; done
$S export run=runs/transformer output=exported/transformer_onnx format=onnx
$S train -m data=phrasebook data.limit=60 data.batch_size=20 $R $C trainer.max_epochs=1 optimizer.lr=1e-2,2e-2 logger=tensorboard hydra.sweep.dir=sweep
