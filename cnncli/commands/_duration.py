"""Times on the command line, and the limit that they set."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from signal import Signals
from typing import Any

import click

from cnncli.commands._options import Decorator
from cnncli.process_group import ALONE, ProcessGroup

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_TIMED_OUT = 1  # in place of a signal: none of those that stop has this number


class Duration(click.ParamType):
    """A time such as ``3h55m``, in seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+d)?(\d+h)?(\d+m)?(\d+s)?", value)
        if not value or not match:
            self.fail(f"{value!r} is no time; write it like 3h55m, 90m, 45s or 1d12h", param, context)
        return float(sum(int(part[:-1]) * _UNITS[part[-1]] for part in match.groups() if part))


max_time: Decorator = click.option(
    "--max-time", type=Duration(), metavar="TIME", help="Save and stop after this time, such as 3h55m."
)


@contextmanager
def stopping(began: float, max_time: float | None, group: ProcessGroup = ALONE) -> Iterator[Callable[[], str | None]]:
    """Under which signals and a time that has passed since `began` ask for a stop; gives what tells why, if so.

    All processes of a group stop when one of them is to.
    """
    from cnncli.signals import StopRequest

    with StopRequest() as stop:

        def why_stop() -> str | None:
            timed_out = max_time is not None and time.monotonic() - began >= max_time
            reason = group.most(stop.signal or (_TIMED_OUT if timed_out else 0))
            if reason == _TIMED_OUT:
                return "stopped by --max-time"
            return f"stopped by {Signals(reason).name}" if reason else None

        yield why_stop
