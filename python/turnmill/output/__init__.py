"""The files of a training set: written, read back, and served."""
