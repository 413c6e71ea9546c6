"""Names of keys and choices in other tools, and the names they have here."""

from __future__ import annotations

from collections.abc import Collection

KEYS: dict[str, tuple[str, ...]] = {
    name: tuple(keys.split())
    for names, keys in {
        "learning_rate max_lr base_lr rate alpha": "optimizer.lr",
        "wd l2 decay": "optimizer.weight_decay",
        "optim optimiser": "optimizer",
        "scheduler lr_scheduler lr_schedule sched": "schedule",
        "warmup_steps warmup_updates warmup_ratio n_warmup_steps": "schedule.warmup",
        "epochs num_epochs n_epochs nepochs max_epoch num_train_epochs": "trainer.max_epochs",
        "steps num_steps max_updates max_update updates total_steps": "trainer.max_steps",
        "gpus num_gpus n_gpus ngpus gpu n_gpu world_size nproc nproc_per_node processes": "trainer.devices",
        "nodes nnodes n_nodes": "trainer.num_nodes",
        "device": "trainer.accelerator",
        "distributed ddp distributed_backend parallel": "trainer.strategy",
        "precision fp16 bf16 amp half mixed_precision": "trainer.precision",
        "clip grad_clip gradient_clip clip_grad clip_norm max_grad_norm grad_clip_norm": "trainer.gradient_clip_val",
        "accumulate accumulation gradient_accumulation_steps update_freq accum_count grad_accum": (
            "trainer.accumulate_grad_batches"
        ),
        "eval_every eval_steps valid_steps validation_freq val_every": (
            "trainer.check_val_every_n_epoch trainer.val_check_interval"
        ),
        "batchsize bs train_batch_size per_device_train_batch_size": "data.batch_size",
        "tokens_per_batch max_tokens_per_batch": "data.batch_tokens",
        "eval_batch_size val_batch_size per_device_eval_batch_size": "data.valid_batch_size",
        "num_workers n_workers dataloader_num_workers": "data.workers",
        "src src_lang source_lang src_language": "data.source data.source_language",
        "tgt trg tgt_lang target_lang trg_lang": "data.target data.target_language",
        "dataset corpus datamodule task_name": "data",
        "data_dir data_path datadir dataset_path dataset_dir path dir folder train_dir": "data.root",
        "train_file trainpref train_data": "data.train",
        "val dev validation valid_file validpref val_dir": "data.valid",
        "max_len max_length maxlen max_seq_len max_sent_length max_source_positions": "data.max_tokens",
        "val_split val_fraction val_size": "data.valid_fraction",
        "max_samples n_samples num_samples subset train_size": "data.limit",
        "hidden hidden_size hidden_dim hid_dim n_hid nh rnn_size d_hidden": (
            "model.encoder_hidden model.decoder_hidden model.hidden model.feed_forward"
        ),
        "layers num_layers n_layers nl n_layer": "model.encoder_layers model.decoder_layers model.layers",
        "emb emb_dim emb_size embed embed_dim embedding_dim emb_sz d_model dim width": "model.embedding",
        "heads num_heads n_heads nhead": "model.heads",
        "ffn ff_dim d_ff ffn_dim ff_size": "model.feed_forward",
        "bidir birnn bi": "model.bidirectional",
        "rnn_type cell_type rnn_cell": "model.cell",
        "attn attention_type": "model.attention",
        "teacher_forcing_ratio pr_force tf tf_ratio scheduled_sampling": "model.teacher_forcing.start",
        "drop p dropout_p drop_mult": "model.dropout",
        "arch architecture net network": "model",
        "vocab_size voc_size max_vocab vocabulary_size nwords n_vocab": "tokenizer.max_words",
        "min_freq min_count voc_min_freq word_min_freq": "tokenizer.min_count",
        "lowercase lower": "tokenizer.case",
        "embeddings pretrained_embeddings word_vectors glove": "vectors",
        "smoothing criterion_smoothing": "loss.label_smoothing",
        "patience early_stopping early_stop early_stopping_patience stop_patience": "callbacks.patience",
        "monitor early_stopping_metric metric_for_best_model": "monitor.metric",
        "save_top_k keep_best_ckpts": "callbacks.keep_best",
        "save_every save_steps checkpoint_every": "callbacks.save_steps",
        "output output_dir out out_dir save_dir outdir results_dir log_dir logdir": "paths.outputs",
        "cache_dir": "paths.cache",
        "checkpoint ckpt ckpt_path resume_from resume_from_checkpoint restore from_checkpoint load": "resume",
        "random_seed manual_seed": "seed",
        "fast_dev_run": "debug",
        "profile profiler": "trainer.profiler",
    }.items()
    for name in names.split()
}
"""The last part of a key -> the keys that it may mean; those that the config does not have are not suggested."""

ADVICE: dict[str, str] = {
    name: advice
    for names, advice in {
        "beam beam_size num_beams beam_width n_best nbest length_penalty": (
            "decoding options belong to the finished run: seqvise translate run=DIR beam=5"
        ),
        "query images sheet": "searches belong to the finished run: seqvise search run=DIR query=TEXT",
        "name run_name exp_name experiment_name project": (
            "a run is named after its experiment or model; hydra.run.dir=FOLDER chooses its folder"
        ),
        "use_wandb wandb tensorboard use_tensorboard": "loggers are chosen with logger=NAME",
        "pretrained": (
            "start from trained parts with model.pretrained.source=RUN or model.encoder=RUN, from word vectors with "
            "vectors=fasttext"
        ),
        "heads num_heads n_heads nhead": "attention heads belong to model=transformer: set model.heads there",
        "config": "a config file is chosen with experiment=NAME, from your own folder conf/experiment too",
        "warm_restarts restarts": "schedules are chosen with schedule=NAME",
    }.items()
    for name in names.split()
}
"""The last part of a key -> what to do instead, if no key means the same."""

CHOICES: dict[str, dict[str, str]] = {
    "model": {
        "gru": "set model=rnn",
        "lstm": "set model=rnn model.cell=lstm",
        "seq2seq": "set model=rnn, or model=full with attention",
        "lm": "set model=awd_lstm",
        "language_model": "set model=awd_lstm",
        "classifier": "set model=text_classifier",
    },
    "optimizer": {
        "rmsprop": "set optimizer.name=torch.optim.RMSprop",
        "radam": "set optimizer.name=torch.optim.RAdam",
        "nadam": "set optimizer.name=torch.optim.NAdam",
        "adagrad": "set optimizer.name=torch.optim.Adagrad",
        "lion": "set optimizer.name to the dotted path of a class, such as my_package.Lion",
    },
    "schedule": {
        "none": "set schedule=constant",
        "onecycle": "set schedule=one_cycle",
        "linear": "set schedule=noam for a linear warm-up, or schedule=one_cycle",
        "reduce_on_plateau": "set schedule=plateau",
        "reduce_lr_on_plateau": "set schedule=plateau",
        "inverse_sqrt": "set schedule=noam",
    },
    "trainer": {
        "cuda": "set trainer=gpu",
        "multi_gpu": "set trainer=ddp",
        "ddp_spawn": "set trainer=ddp",
        "deepspeed": "set trainer=fsdp",
    },
    "tokenizer": {
        "bpe": "set tokenizer=sentencepiece tokenizer.algorithm=bpe",
        "unigram": "set tokenizer=sentencepiece",
        "spm": "set tokenizer=sentencepiece",
        "subword": "set tokenizer=sentencepiece",
        "whitespace": "set tokenizer=spaces",
        "word": "set tokenizer=words",
        "char": "set tokenizer=chars",
    },
    "vectors": {
        "glove": "convert them to a .vec file and set vectors=fasttext vectors.target=FILE",
        "word2vec": "convert them to a .vec file and set vectors=fasttext vectors.target=FILE",
    },
    "logger": {
        "tb": "set logger=tensorboard",
        "wandb": "write conf/logger/wandb.yaml with _target_: pytorch_lightning.loggers.WandbLogger",
        "mlflow": "write conf/logger/mlflow.yaml with _target_: pytorch_lightning.loggers.MLFlowLogger",
    },
    "debug": {"true": "set debug=fast", "1": "set debug=fast", "false": "leave it out, or set debug=null"},
}
"""For each group: a choice of other tools -> what to set here."""

AMBIGUOUS = (
    *("alpha", "config", "dim", "dir", "folder", "images", "load", "name", "out", "output", "p", "path", "query"),
    *("rate", "steps", "width"),
)
"""Names that mean something else in another node, such as ``vectors.path``."""


def meant(key: str, names: Collection[str] | None = None) -> str:
    """``; did you mean ...?`` or advice, if other tools have a key of this name, else an empty text.

    Args:
        key: a key that does not exist.
        names: full names of the keys and nodes that exist; None: all keys are suggested.
    """
    node, _, last = key.lower().replace("-", "_").rpartition(".")
    keys = [name for name in KEYS.get(last, ()) if names is None or name in names]
    keys = [name for name in keys if node and name.startswith(f"{node}.")] or keys
    if node and last in AMBIGUOUS and not (keys and keys[0].startswith(f"{node}.")):
        return ""
    if keys:
        return f"; did you mean {' or '.join(keys)}?"
    return f"; {ADVICE[last]}." if last in ADVICE else ""


def meant_choice(group: str, choice: str) -> str:
    """``; set ...``, if other tools have this choice of a group, else an empty text."""
    advice = CHOICES.get(group, {}).get(choice.lower().replace("-", "_"))
    return f"; {advice}." if advice else ""
