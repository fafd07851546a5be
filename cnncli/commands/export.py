"""``cnn export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnncli.commands import _options
from cnncli.commands._console import note, result, result_json

if TYPE_CHECKING:
    import numpy as np

    from cnncli.model import Model

FORMATS = ("onnx", "safetensors", "numpy")
SAMPLES = 8


@click.command()
@click.argument("checkpoint", required=False, type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="onnx", show_default=True, metavar="FORMAT",
    help=f"One of {', '.join(FORMATS)}.",
)  # fmt: skip
@_options.file_path(
    "-o", "--output", metavar="PATH", help="The file, or for numpy the folder; by default named like the run."
)
@_options.as_json
def command(checkpoint: Path | None, form: str, output: Path | None, as_json: bool) -> None:
    """Write the network of CHECKPOINT, a file or a run folder, for other programs.

    onnx: the whole network from pixels in 0..1 to scores, checked after writing; class names and preprocessing are in
    its metadata. safetensors: the weights under PyTorch's names and shapes. numpy: a folder with a script that needs
    nothing else.

    Without CHECKPOINT the newest run's best one under runs/ is taken.
    """
    from cnncli.commands._checkpoint import load_model
    from cnncli.commands._output import write_folder, write_output
    from cnncli.interchange import export

    model = load_model(checkpoint, None)
    made = export.FORMATS[form](model, _samples(model))
    path = output or Path(_name(model) + {"onnx": ".onnx", "safetensors": ".safetensors", "numpy": "-numpy"}[form])
    if "" in made.files:
        write_output(path, made.files[""])
    else:
        write_folder(path, made.files)
    if as_json:
        result_json({"checkpoint": str(model.path), "format": form, "output": str(path), "errors": made.errors})
        return
    for name, error in made.errors.items():
        note(f"checked with {name}: scores differ by at most {error:.1e} of the largest")
    if form == "numpy":
        note(f"try: python {path}/predict.py --check")
    result(f"{model.path} written to {path}")


def _name(model: Model) -> str:
    """What the export is called: like the run, or like the file."""
    return model.path.parent.name if model.path.stem in ("best", "last", "last.1") else model.path.stem


def _samples(model: Model) -> np.ndarray:
    """Some test images, or noise where the data are not there."""
    import numpy as np

    from cnncli.commands._part import part_to_test
    from cnncli.errors import CnnError

    try:
        part = part_to_test(model, None)
        places = np.linspace(0, len(part) - 1, min(SAMPLES, len(part))).astype(int)
        return model.preprocessing.load(part, model.classes, places).images
    except CnnError:
        shape = (SAMPLES, *model.preprocessing.size, model.preprocessing.channels)
        return np.random.default_rng(0).integers(0, 256, shape, np.uint8)
