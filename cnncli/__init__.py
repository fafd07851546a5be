"""Train and run convolutional networks on ordinary computers.

The command line, ``cnn``, is described in README.md. From Python::

    import cnncli

    model = cnncli.load("runs/lenet5")                # a run folder or a checkpoint
    for answer in model.predict(["a.png", "b.png"]):  # or an array of images
        print(answer.label, answer.probability)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from cnncli.model import Model

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def load(path: str | Path, threads: int | None = None) -> Model:
    """Load a trained network.

    Parameters
    ----------
    path : str or Path
        A checkpoint, or a run folder (whose best checkpoint is taken).
    threads : int, optional
        Threads to compute with; as many as this process may use by default.

    Returns
    -------
    Model

    Raises
    ------
    cnncli.errors.CnnError
        If there is no checkpoint, or it is damaged.
    """
    from cnncli.model import Model

    return Model.load(path, threads)
