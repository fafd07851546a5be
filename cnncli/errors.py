"""The errors a user can meet; each carries the exit code documented in the README."""

from __future__ import annotations


class CnnError(Exception):
    """An expected failure: a clear message for the user and an exit code.

    Parameters
    ----------
    message : str
        What is wrong, where, and what would be right; one line for each problem.
    """

    exit_code = 1


class CheckFailed(CnnError):
    """A check that the user asked for did not hold."""


class SpecError(CnnError):
    """A configuration that cannot be run."""

    exit_code = 2


class ShapeError(SpecError):
    """A layer that does not fit the shape of its input."""


class DataError(CnnError):
    """Data that cannot be read or does not fit the network."""

    exit_code = 65


class CheckpointError(CnnError):
    """A checkpoint that is damaged or belongs to another network."""

    exit_code = 65


class MissingError(CnnError):
    """A file or folder that does not exist."""

    exit_code = 66


class OutputError(CnnError):
    """An output that cannot be created."""

    exit_code = 73


class IOFailure(CnnError):
    """A disk that is full or fails while something is read or written."""

    exit_code = 74


class Interrupted(CnnError):
    """Stopped by a signal or by the time limit, after saving."""

    exit_code = 75


class Diverged(CnnError):
    """Training produced NaN or infinity."""

    exit_code = 76


class RunInUse(CnnError):
    """Another process is training in this run folder."""

    exit_code = 77
