"""Shared by all tests: the folder itself on the import path, so that they find `cases`, `rig` and `reference`."""
