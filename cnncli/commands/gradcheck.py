"""``cnn gradcheck``."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from cnncli.commands import _complete, _options


@click.command()
@click.argument("config", required=False, type=click.Path(), shell_complete=_complete.files(*_options.CONFIGS))
@_options.overrides
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per tensor, then the totals.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all random numbers.")
@click.option("--samples", type=click.IntRange(min=1), help="Elements checked of a tensor that has more (64).")
def command(config: str | None, overrides: tuple[str, ...], as_json: bool, seed: int, samples: int | None) -> None:
    """Compare analytic with numeric gradients, in double precision.

    With CONFIG: every parameter of its network and the input. Without: every layer and every loss there is. Exits
    with 1 if one of them differs.
    """
    from cnncli import gradcheck
    from cnncli.commands._network import graph_of
    from cnncli.errors import CheckFailed

    if config is None:
        reports = gradcheck.check_everything(seed)
    else:
        reports = gradcheck.check_graph(graph_of(config, overrides), seed, samples or gradcheck.SAMPLES)
    if not as_json:
        click.echo(f"{'layer':<24} {'tensor':<22} {'elements':>9} {'checked':>8} {'kinks':>6} {'largest error':>14}")
    checked, failed = 0, []
    for report in reports:
        checked += 1
        if not report.ok:
            failed.append(f"{report.layer} {report.tensor}")
        if as_json:
            values = asdict(report)
            click.echo(json.dumps({"layer": values.pop("layer"), "tensor": values.pop("tensor"),
                                   "max_relative_error": values.pop("error"), "ok": report.ok} | values))  # fmt: skip
        else:
            click.echo(
                f"{report.layer:<24} {report.tensor:<22} {report.elements:>9,} {report.checked:>8} {report.kinks:>6} "
                f"{report.error:>14.1e}{'' if report.ok else '  WRONG'}"
            )
    if as_json:
        click.echo(json.dumps({"checked": checked, "failed": len(failed)}))
    else:
        click.echo(f"{checked} tensors checked, {len(failed)} wrong (limit {gradcheck.TOLERANCE:g})")
    if failed:
        raise CheckFailed(f"wrong gradients: {', '.join(failed)}")
