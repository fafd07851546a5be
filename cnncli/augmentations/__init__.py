"""Random changes of training images, one file each, found by its name: the list ``augment`` in the section ``data``."""
