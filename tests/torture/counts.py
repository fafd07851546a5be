"""How often each row is tried: in continuous integration, and before a release (``make torture``)."""

from __future__ import annotations

import os
from typing import NamedTuple


class Row(NamedTuple):
    """A kind of trouble: what is done, and how many times."""

    text: str
    often: int
    release: int


ROWS: dict[str, Row] = {
    "1": Row("SIGKILL at every system call of saves", 1, 1),
    "2": Row("every system call of saves fails: ENOSPC, EIO, EDQUOT, EACCES", 1, 1),
    "3": Row("saves that may write no further than some byte", 60, 1000),
    "4": Row("kill -9 at a random moment of a training that saves every step", 200, 5000),
    "5": Row("trainings killed ten times each and resumed, equal to uninterrupted ones", 5, 50),
    "6": Row("runs stopped after one step and again after another, equal to the byte", 10, 200),
    "7": Row("trainings with other threads, workers and hash seeds, equal to the byte", 1, 1),
    "8": Row("trainings by 2, 3 and 4 processes, equal to the byte", 1, 1),
    "9": Row("weights of short trainings, as they are written down for each set of kernels", 1, 1),
    "10": Row("losses of power: what was not synced is gone, half there or there", 1, 1),
    "11": Row("configs with random changes", 25_000, 500_000),
    "12": Row("checkpoints with random changes", 40_000, 200_000),
    "13": Row("image files with random changes", 20_000, 300_000),
    "14": Row("data sets (IDX, CIFAR, .npz, CSV) with random changes", 15_000, 200_000),
    "15": Row("bombs: small files that would become large", 1, 1),
    "16": Row("tests of kernels under the address and undefined behaviour sanitizers", 1, 1),
    "17": Row("commands in less and less memory", 160, 200),
    "18": Row("a disk that is really full, and room again", 1, 10),
    "19": Row("folders that cannot be written, or are not there", 1, 1),
    "20": Row("eight trainings started at once in one folder", 10, 200),
    "21": Row("SIGTERM, SIGUSR1 or SIGINT at a random moment, then resumed", 60, 2000),
    "22": Row("NaN and infinities in images, weights, gradients and losses", 1, 1),
    "23": Row("folders of a thousand images, half of them damaged in ten ways", 1, 5),
    "24": Row("pipes that end, are full or closed, odd names, no HOME", 1, 1),
    "25": Row("checkpoints of older versions", 1, 1),
    "26": Row("jobs, arrays and a sweep of a real Slurm, out of time, cancelled, queued again", 0, 1),
    "27": Row("minutes of training in which memory and open files must not grow", 0, 120),
}
RELEASE = bool(os.environ.get("TORTURE_RELEASE"))


def count(row: str) -> int:
    """How often to try a row this time."""
    return ROWS[row].release if RELEASE else ROWS[row].often
