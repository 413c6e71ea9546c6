"""Training framework for sequence-to-sequence and visual-semantic models."""
