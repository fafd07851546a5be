"""A search that learns from its trials: Optuna's tree-structured Parzen estimator, with median pruning.

The folders of the trials are the study: it is put together from them whenever a question is to be asked, so that
there is no other state that could be torn by a kill or disagree with them, and whoever starts the same line takes part.
A trial has its number's folder, and its values are written there before it is run; `Search.save` writes the study for
Optuna's own tools.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnncli import yamlio
from cnncli.errors import SpecError
from cnncli.files import replace_file, write_failure
from cnncli.sweeping.axes import Axis, Range, value
from cnncli.sweeping.runner import Plan
from cnncli.sweeping.trials import DIVERGED, DONE, Result, Trial, read_result, read_rows

if TYPE_CHECKING:
    import optuna

VALUES, LOCK, JOURNAL = "trial.json", ".lock", "study.journal"
ATTEMPTS = 50  # at something new, by the estimator and then by chance
FIRST = 2  # epoch after which a trial may be stopped


def check() -> None:
    """Make sure that Optuna is there.

    Raises
    ------
    SpecError
        The extra ``cnncli[hpo]`` is not installed.
    """
    if importlib.util.find_spec("optuna") is None:
        raise SpecError("--search tpe needs optuna; pip install 'cnncli[hpo]', or take --random")


class Search(Plan):
    """A plan whose trials are chosen one after another.

    Parameters
    ----------
    folder : Path
        Of the sweep.
    axes : sequence of Axis
    count : int
        Trials in all, whoever runs them.
    metric : str
        A column of ``results.csv``.
    higher : bool
        Whether more of it is better.
    seed : int
    prune : bool
        Whether trials are stopped that are worse than the median of others after as many epochs.

    Attributes
    ----------
    trials : list of Trial
        With the values that are chosen already.

    Raises
    ------
    SpecError
        The folder holds a search over other keys.
    """

    def __init__(
        self, folder: Path, axes: Sequence[Axis], count: int, metric: str, higher: bool, seed: int, prune: bool
    ) -> None:
        self._folder, self._axes, self._metric, self._higher, self._seed = folder, axes, metric, higher, seed
        self._prune = prune
        self._distributions = {axis.key: _distribution(axis) for axis in axes}
        self.trials = [self._known(Trial(n, folder / f"tpe-{n:03d}", None)) for n in range(count)]

    def settle(self, trial: Trial) -> Trial | None:
        """The trial with its values: those that were chosen once, else what promises most by now."""
        with _alone(self._folder):
            trial = self._known(trial)
            if trial.values is None:
                values = self._ask(trial.number)
                if values is None:
                    return None
                trial = replace(trial, values=values)
                try:
                    trial.folder.mkdir(exist_ok=True)
                except OSError as error:
                    raise write_failure(error, trial.folder) from error
                replace_file(trial.folder / VALUES, [json.dumps({"values": values}).encode(), b"\n"])
        return trial

    def hopeless(self, trial: Trial) -> str | None:
        """What Optuna's median pruner says of a trial's epochs so far."""
        import optuna

        rows = read_rows(trial.folder)
        if not self._prune or not rows or self._metric not in rows[-1]:
            return None
        study = self._study(optuna.samplers.RandomSampler(seed=0))
        running = self._frozen(trial, None, rows)
        pruner = optuna.pruners.MedianPruner(n_warmup_steps=FIRST)
        if running is None or not pruner.prune(study, running):
            return None
        config, _ = yamlio.load(str(trial.folder / "config.yaml"))
        if len(rows) >= config["train"]["epochs"]:  # which is at its end anyway
            return None
        return f"worse than the median of others after {len(rows)} epochs"

    def save(self, folder: Path) -> None:
        """Write the study as Optuna's journal, for its dashboard and its plots.

        Raises
        ------
        OutputError, IOFailure
        """
        import optuna
        from optuna.storages.journal import JournalFileBackend

        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / JOURNAL
            storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
            study = optuna.create_study(storage=storage, study_name=folder.name, direction=self._direction)
            study.add_trials(self._study(optuna.samplers.RandomSampler(seed=0)).trials)
            replace_file(folder / JOURNAL, [path.read_bytes()])

    @property
    def _direction(self) -> Any:
        return "maximize" if self._higher else "minimize"

    def _known(self, trial: Trial) -> Trial:
        """The trial with its values, if they are chosen already."""
        try:
            values = json.loads((trial.folder / VALUES).read_bytes())["values"]
        except (OSError, ValueError, TypeError, KeyError):
            return trial
        if values.keys() != self._distributions.keys():
            keys = ", ".join(values)
            raise SpecError(f"{trial.folder}: is of a search over {keys}; -o DIR names another folder")
        return replace(trial, values=values)

    def _ask(self, number: int) -> dict[str, str] | None:
        """Values that no trial has yet; None where none were found."""
        import optuna

        known = [trial.values for trial in map(self._known, self.trials) if trial.values]
        for attempt in range(2 * ATTEMPTS):
            seed = _seed(self._seed, number, attempt)
            sampler: Any = (
                optuna.samplers.TPESampler(seed=seed, constant_liar=True)
                if attempt < ATTEMPTS
                else optuna.samplers.RandomSampler(seed=seed)
            )
            params = self._study(sampler).ask(self._distributions).params
            values = {axis.key: _text(axis, params[axis.key]) for axis in self._axes}
            if values not in known:
                return values
        return None

    def _study(self, sampler: Any) -> optuna.Study:
        """What there is by now, in memory."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(direction=self._direction, sampler=sampler)
        for trial in map(self._known, self.trials):
            if trial.values:
                frozen = self._frozen(trial, read_result(trial.folder), read_rows(trial.folder))
                if frozen:
                    study.add_trial(frozen)
        return study

    def _frozen(
        self, trial: Trial, result: Result | None, rows: Sequence[Mapping[str, float]]
    ) -> optuna.trial.FrozenTrial | None:
        """A trial as Optuna knows it; None where its values are none of those that are tried now."""
        from optuna.trial import TrialState, create_trial

        assert trial.values is not None
        number = result.best.get(self._metric) if result and result.status == DONE else None
        # what diverged counts as worse than all that has numbers
        state = TrialState.RUNNING if result is None else TrialState.PRUNED if number is None else TrialState.COMPLETE
        steps = {int(row["epoch"]): row[self._metric] for row in rows if self._metric in row}
        with suppress(ValueError):
            return create_trial(
                state=state,
                params={axis.key: _param(axis, trial.values[axis.key]) for axis in self._axes},
                distributions=self._distributions,
                value=number,
                intermediate_values=steps if result is None or result.status != DIVERGED else {},
                user_attrs={"run": str(trial.folder)},
            )
        return None


def _distribution(axis: Axis) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if axis.range is None:
        return CategoricalDistribution(axis.texts)
    if axis.range.whole:
        return IntDistribution(int(axis.range.low), int(axis.range.high), log=axis.range.log)
    return FloatDistribution(float(axis.range.low), float(axis.range.high), log=axis.range.log)


def _text(axis: Axis, param: Any) -> str:
    return axis.range.text(param) if isinstance(axis.range, Range) else str(param)


def _param(axis: Axis, text: str) -> Any:
    if axis.range is None:
        return text
    return int(text) if axis.range.whole else float(value(text))


def _seed(*parts: int) -> int:
    """One seed of several."""
    from random import Random

    return Random("/".join(map(str, parts))).getrandbits(32)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else chooses values meanwhile, where the file system can say so."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise write_failure(error, folder / LOCK) from error
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
