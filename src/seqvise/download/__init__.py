"""Downloads public corpora and word vectors: resumable, with checksums and safe unpacking of archives."""
