"""How far a training is: a bar on a terminal; in a log a line per epoch, and one a minute within long ones."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from cnncli.commands._console import loss_text, note, on_terminal, percent

if TYPE_CHECKING:
    from cnncli.training import StepReport, Trainer

LOG_EVERY = 60.0  # seconds
DRAW_EVERY = 0.1


SHARE_TO_TELL = 0.1  # of an epoch, spent waiting for data


def epoch_line(row: dict[str, Any], epochs: int, seconds: float, images: int, waited: float, best: bool) -> str:
    """What one epoch has come to; `waited` is the share of its time in which the network had no data."""
    parts = [
        f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}",
        f"loss {loss_text(row['train_loss'])}",
        f"accuracy {percent(row['train_accuracy'])}",
    ]
    if "validation_accuracy" in row:
        parts.append(
            f"validation loss {loss_text(row['validation_loss'])} accuracy {percent(row['validation_accuracy'])}"
        )
    parts.append(f"{seconds:.1f} s")
    if images:  # none where all of the epoch but its end was done before the run was stopped
        parts.append(f"{images / seconds:,.0f} images/s")
    if waited >= SHARE_TO_TELL and waited * seconds >= 1:
        parts.append(f"{percent(waited)} of it waiting for data")
    return "  ".join(parts) + ("  best" if best else "")


class Lines:
    """Lines on stderr."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self._told = self._began = time.monotonic()
        self._before = self._trained()

    def step(self, report: StepReport) -> None:
        """After a step."""
        if time.monotonic() - self._told >= LOG_EVERY:
            done = percent(self._done() / len(self.trainer.train))
            self.say(f"{self._epoch()}  {done} of it  {self._means()}{self._left()}")

    def epoch(self, line: str) -> None:
        """After an epoch."""
        self.say(line + self._left())

    def say(self, line: str) -> None:
        note(line)
        self._told = time.monotonic()

    def close(self) -> None:
        """The end of training."""

    def _epoch(self) -> str:
        return f"epoch {self.trainer.progress.epoch + 1}/{self.trainer.epochs}"

    def _trained(self) -> int:
        """Images done in all."""
        return self.trainer.progress.epoch * len(self.trainer.train) + self._done()

    def _left(self) -> str:
        """How long the rest will take, where that is minutes."""
        done = self._trained() - self._before
        if not done:
            return ""
        rest = self.trainer.epochs * len(self.trainer.train) - self._trained()
        minutes = (time.monotonic() - self._began) * rest / done / 60
        if minutes < 1:
            return ""
        return f"  about {minutes / 60:.1f} h left" if minutes >= 100 else f"  about {minutes:.0f} min left"

    def _done(self) -> int:
        """Images done of the current epoch."""
        return min(self.trainer.progress.batch * self.trainer.images_per_step, len(self.trainer.train))

    def _means(self) -> str:
        """Loss and accuracy over the epoch so far."""
        progress, done = self.trainer.progress, self._done()
        return f"loss {loss_text(progress.loss_sum / done)}  accuracy {percent(progress.hits / done)}"


class Bar(Lines):
    """A bar for the whole training, and a line above it for each epoch."""

    def __init__(self, trainer: Trainer) -> None:
        from tqdm import tqdm  # slow to import, and seldom wanted

        super().__init__(trainer)
        self._bar = tqdm(
            total=trainer.epochs * len(trainer.train),
            initial=self._before,
            desc=self._epoch(),
            unit=" images",
            unit_scale=True,
            leave=False,
            dynamic_ncols=True,
            bar_format="{desc} {percentage:3.0f} % |{bar}| {elapsed}<{remaining}, {rate_fmt}{postfix}",
        )

    def step(self, report: StepReport) -> None:
        if time.monotonic() - self._told < DRAW_EVERY:
            return
        self._bar.set_description_str(self._epoch(), refresh=False)
        self._bar.set_postfix_str(self._means(), refresh=False)
        self._bar.update(self._trained() - self._bar.n)
        self._told = time.monotonic()

    def epoch(self, line: str) -> None:
        self.say(line)  # the bar has the time that is left

    def say(self, line: str) -> None:
        self._bar.clear()
        note(line)

    def close(self) -> None:
        self._bar.close()


def show(trainer: Trainer) -> Lines:
    """What suits where stderr goes."""
    return Bar(trainer) if on_terminal() else Lines(trainer)
