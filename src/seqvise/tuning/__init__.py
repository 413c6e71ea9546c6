"""Hyperparameter search: spaces, the study, and the processes of its trials. Imports neither torch nor Hydra."""
