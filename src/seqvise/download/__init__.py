"""Public corpora and word vectors, fetched on request: resumable, checked, unpacked without trusting the archive."""
