"""``cnn check``."""

from __future__ import annotations

from pathlib import Path

import click

from cnncli.commands import _options
from cnncli.commands._console import note, result, result_json


@click.command()
@_options.config_or_default
@_options.overrides
@click.option("--train", is_flag=True, help="Train a little too: can it learn a batch by heart, does it know too much?")
@_options.threads
@_options.as_json
def command(config: str, overrides: tuple[str, ...], train: bool, threads: int | None, as_json: bool) -> None:
    """Check everything that can be known before training: config, data, labels, duplicates, memory, disk, time.

    Every image is read. A line that begins with error means that training would fail or its result be wrong, and the
    exit code is that of such a failure (1 where training itself would not notice). With --train it also looks at the
    loss at the start, learns one batch by heart, and learns shuffled labels, which must not help with other images.
    """
    from cnncli import runtime
    from cnncli.preflight import check
    from cnncli.spec import load

    findings = []
    for finding in check(load(config, overrides), runtime.threads(threads), train, Path("runs")):
        findings.append(finding)
        if as_json:
            result_json({"about": finding.about, "level": finding.level, "text": finding.text} | finding.values)
        else:
            for line in finding.text.splitlines():
                result(f"{finding.level:<8} {finding.about:<16} {line}")
    errors = [finding for finding in findings if finding.level == "error"]
    warnings = sum(finding.level == "warning" for finding in findings)
    if as_json:
        result_json({"config": config, "sound": not errors, "errors": len(errors), "warnings": warnings})
    else:
        note(f"{config}: {_count(len(errors), 'error')}, {_count(warnings, 'warning')}")
    if errors:
        raise click.exceptions.Exit(errors[0].exit_code)


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
