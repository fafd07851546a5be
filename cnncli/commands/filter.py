"""``cnn filter``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnncli.commands import _options, _pictures
from cnncli.commands._console import note, percent, result, table
from cnncli.texts import shape_text

if TYPE_CHECKING:
    import numpy as np

NUMBERS = ".csv"


@click.command()
@click.argument("source", metavar="IMAGE", type=click.Path(allow_dash=True))
@click.option(
    "--kernel", metavar="NAME|FILE.csv",
    help="box3, gaussian, binomial3, binomial5, sharpen, sobel_x, sobel_y, laplacian, or a file of numbers. "
    "With --pyramid: binomial5 (default), binomial3, box2 or none.",
)  # fmt: skip
@click.option(
    "--moving-average", type=click.IntRange(min=1), metavar="N", help="Mean of N neighbours in a row; N is odd."
)
@click.option("--pyramid", "levels", type=click.IntRange(1, 30), metavar="N", help="Blur and halve, N times.")
@_options.file_path(
    "-o", "--output", metavar="OUT", callback=_pictures.named(".png", NUMBERS),
    help="OUT.png or OUT.csv to write; of a pyramid OUT-1.png, OUT-2.png, ...",
)  # fmt: skip
@click.option("--mode", type=click.Choice(("valid", "same", "full")), help="Size of the result.  [default: valid]")
@click.option(
    "--border", type=click.Choice(("zero", "reflect", "edge")),
    help="What lies around the image.  [default: zero; of a pyramid: reflect]",
)  # fmt: skip
@click.option(
    "--convolve/--correlate", "flip", default=None,
    help="Whether the kernel is turned by 180 degrees, as in mathematics (default), or not, as in networks.",
)  # fmt: skip
@_options.as_json
def command(
    source: str,
    kernel: str | None,
    moving_average: int | None,
    levels: int | None,
    output: Path | None,
    mode: Any,
    border: Any,
    flip: bool | None,
    as_json: bool,
) -> None:
    """Filter IMAGE with a fixed kernel.

    A .csv file of numbers counts as an image, and its result is printed as numbers. The Sobel kernels answer to
    brightness that grows to the right (below) with positive numbers under --correlate, with negative ones otherwise.
    """
    if levels is not None and (mode or flip is not None or moving_average):
        raise click.UsageError("--pyramid has no --mode, --convolve, --correlate or --moving-average")
    if levels is None and (kernel is None) == (moving_average is None):
        raise click.UsageError("name one of --kernel, --moving-average or --pyramid")
    if moving_average is not None and moving_average % 2 == 0:
        raise click.UsageError(f"--moving-average {moving_average}: a number with a middle is wanted, so an odd one")
    image = _read(source)
    if levels is not None:
        results = _pyramid(image, kernel or "binomial5", levels, border or "reflect", output)
    else:
        try:
            results = [_filtered(image, kernel, moving_average, mode or "valid", border or "zero", flip is not False)]
        except ValueError as error:
            raise click.UsageError(f"{source}: {error}") from None
        results[0].path = output
    numbers = Path(source).suffix.lower() == NUMBERS
    for found in results:
        if found.path is not None:
            _write(found, found.path, image, numbers)
        result(_json(source, found, numbers) if as_json else _text(found, numbers))


@dataclass
class Filtered:
    """A result: its numbers, how it came about in words and for scripts, and where it is written to."""

    values: np.ndarray
    label: str
    facts: dict[str, Any]
    keeps_range: bool  # the kernel's weights add up to 1
    path: Path | None = None


def _filtered(
    image: np.ndarray, kernel: str | None, moving_average: int | None, mode: Any, border: Any, flip: bool
) -> Filtered:
    from cnncli import filtering

    if moving_average is not None:
        name, weights = f"moving average of {moving_average}", filtering.moving_average(moving_average)
    else:
        name, weights = str(kernel), _kernel(str(kernel))
    values = filtering.filter2d(image, weights, mode, border, flip)
    facts = {"kernel": name, "mode": mode, "border": border, "flip": flip}
    return Filtered(values, shape_text(values.shape), facts, abs(weights.sum() - 1) < 1e-6)


def _pyramid(image: np.ndarray, low_pass: str, levels: int, border: Any, output: Path | None) -> list[Filtered]:
    from cnncli import filtering

    if low_pass not in filtering.LOW_PASS:
        raise click.UsageError(f"--kernel {low_pass}: a pyramid takes {', '.join(filtering.LOW_PASS)}")
    found = []
    before = image
    for level, values in enumerate(filtering.pyramid(image, levels, low_pass, border), start=1):
        # the step as a projection of all samples of the level before
        kept, samples = (each.shape[0] * each.shape[1] for each in (values, before))
        kind = filtering.sampling(kept, samples)
        facts = {"kernel": low_pass, "border": border, "level": level}
        facts |= {"samples": samples, "rank": kept, "sampling": kind}
        path = output and output.with_stem(f"{output.stem}-{level}")
        label = f"level {level}: {shape_text(values.shape)} of {shape_text(before.shape)}, {kind}"
        found.append(Filtered(values, label, facts, keeps_range=True, path=path))
        before = values
    return found


def _read(source: str) -> np.ndarray:
    """Pixels in their own units, without an axis for a single channel; or the numbers of a .csv file."""
    if Path(source).suffix.lower() == NUMBERS:
        from cnncli.filtering import read_matrix

        return read_matrix(source)
    from cnncli.datasets._images import decode_image

    image = decode_image(source)
    return image[:, :, 0] if image.shape[2] == 1 else image


def _kernel(name: str) -> np.ndarray:
    from cnncli.filtering import KERNELS, read_matrix
    from cnncli.registry import suggest

    if name in KERNELS:
        return KERNELS[name]
    if Path(name).suffix.lower() == NUMBERS:
        return read_matrix(name)
    raise click.UsageError(f"--kernel {name}: there is no such kernel; {suggest(name, KERNELS)}")


def _json(source: str, found: Filtered, numbers: bool) -> str:
    values = found.values
    about = {"shape": list(values.shape), "min": values.min(), "max": values.max(), "mean": values.mean()}
    extra = {"values": values.tolist()} if numbers else {}
    return json.dumps({"source": source} | found.facts | about | {"output": found.path and str(found.path)} | extra)


def _text(found: Filtered, numbers: bool) -> str:
    values = found.values
    about = (
        f"{found.label}, min {_number(values.min())}, max {_number(values.max())}, mean {_number(values.mean())}"
        f"{f', written to {found.path}' if found.path else ''}"
    )
    return f"{_matrix(values)}\n\n{about}" if numbers else about


def _matrix(values: np.ndarray) -> str:
    first, *rest = [[_number(value) for value in row] for row in values]
    widths = [max(map(len, column)) for column in zip(first, *rest, strict=True)]
    return table([cell.rjust(width) for cell, width in zip(first, widths, strict=True)], rest, left=0)


def _number(value: float) -> str:
    """Ten digits, which hides the noise of rounding; no minus before zero."""
    return f"{round(value, 10) + 0.0:.10g}"


def _write(found: Filtered, path: Path, image: np.ndarray, numbers: bool) -> None:
    """As numbers, or as a picture of 8 bits; how numbers became brightness is said where it is not the obvious."""
    values = found.values
    if path.suffix.lower() == NUMBERS:
        from cnncli.commands._output import write_output

        if values.ndim == 3:
            raise click.UsageError(f"{path}: a result of three colours is no matrix; write it to a .png file")
        write_output(path, "".join(",".join(map(_number, row)) + "\n" for row in values).encode())
        return
    import numpy as np
    from PIL import Image

    from cnncli.sheets import signed, unsigned

    low, high = float(values.min()), float(values.max())
    full = float(image.max()) if numbers else 65535 if image.dtype == np.uint16 else 255
    if not found.keeps_range and low < 0:
        pixels, white = signed(values), max(-low, high)
        note(f"{path}: 0 is mid-grey (128), {_number(white)} white, {_number(-white)} black")
    elif (found.keeps_range or high <= full) and full > 0:
        pixels = unsigned(values, 0, full)
        beyond = float(np.mean((values < -full / 510) | (values > full + full / 510)))  # by half a level of 8 bits
        if beyond:
            note(f"{path}: {percent(beyond)} of the numbers lie outside 0..{_number(full)} and are cut off")
        elif numbers:
            note(f"{path}: 0 is black, {_number(full)} white")
    else:
        pixels = unsigned(values)
        note(f"{path}: 0 is black, {_number(high)} white")
    _pictures.save(Image.fromarray(pixels), path)
