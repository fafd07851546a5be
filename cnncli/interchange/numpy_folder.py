"""A network as a folder that needs nothing but NumPy: weights, one script, and samples with which it checks itself."""

from __future__ import annotations

import ast
import inspect
import io
import json
from collections.abc import Mapping

import numpy as np

from cnncli import __version__
from cnncli.interchange import numpy_operators
from cnncli.interchange.program import DERIVED, INPUT, Program
from cnncli.model import Model

SCRIPT, WEIGHTS, SAMPLES = "predict.py", "weights.npz", "samples.npz"

_HEAD = '''"""{title}

    python {script} --check          recompute the samples and compare
    python {script} IMAGES.npy       label and score of each image

IMAGES.npy holds one image or several: (rows, columns), (N, rows, columns) or (N, rows, columns, channels), as whole
numbers of 8 or 16 bits or as floats in 0..1, {size}. From Python: `predict(images)` gives the scores.

Made by cnncli {version} from {checkpoint}.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

CLASSES = {classes}
SHAPE = {shape}  # channels, rows, columns

Array = np.ndarray[Any, Any]
Sizes = Sequence[int]
HERE = Path(__file__).parent
'''

_TAIL = '''
def predict(images: Array) -> Array:
    """Scores of the classes, (N, classes)."""
    images = np.asarray(images)
    if images.dtype.kind in "iu":
        images = images / np.float32(np.iinfo(images.dtype).max)
    channels, rows, columns = SHAPE
    if images.shape == (rows, columns) or images.shape == (rows, columns, channels):
        images = images[np.newaxis]
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.shape[1:] != (rows, columns, channels):
        raise SystemExit(f"images must be (N, {rows}, {columns}, {channels}), found {images.shape}")
    with np.load(HERE / "weights.npz") as file:
        weights = {name: file[name] for name in file.files}
    weights = {name: w.astype(np.float32) if w.dtype == np.float64 else w for name, w in weights.items()}
    return network(np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32), weights)


def check() -> None:
    """Compare with what the trained network said."""
    with np.load(HERE / "samples.npz") as file:
        images, expected = file["images"], file["scores"]
    error = float(np.abs(predict(images) - expected).max() / np.abs(expected).max())
    print(f"{len(images)} samples, largest difference {error:.1e} of the largest score")
    if not error <= 1e-5:
        raise SystemExit("these are not the scores that were expected")


def main() -> None:
    """What the command line asks for."""
    if sys.argv[1:] == ["--check"]:
        check()
        return
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        raise SystemExit(__doc__)
    for row in predict(np.load(sys.argv[1], allow_pickle=False)):
        print(f"{CLASSES[row.argmax()]}  {row.max():.4f}")


if __name__ == "__main__":
    main()
'''


def encode(model: Model, program: Program, images: np.ndarray, scores: np.ndarray) -> dict[str, bytes]:
    """The files by name.

    Parameters
    ----------
    model : Model
    program : Program
        That of the model.
    images : ndarray, shape (N, rows, columns, channels)
        Samples, and what the network makes of them.
    scores : ndarray, shape (N, classes)
    """
    # those of batch normalisation's state keep the precision that they have
    weights = {
        name: model.arrays[name].reshape(array.shape) if name in model.arrays else array
        for name, array in program.constants.items()
    }
    return {
        SCRIPT: script(model, program).encode(),
        WEIGHTS: _npz(weights),
        SAMPLES: _npz({"images": images, "scores": scores}),
    }


def script(model: Model, program: Program) -> str:
    """The predictor: the operators that the network needs, and the network as a function."""
    channels, rows, columns = program.in_shape
    head = _HEAD.format(
        title=f"A network for {len(model.classes)} classes that needs NumPy only.",
        script=SCRIPT,
        size=f"of {rows}x{columns} pixels and {channels} channel{'s' if channels > 1 else ''}",
        version=__version__,
        checkpoint=model.path.name,
        classes=json.dumps(list(model.classes)),
        shape=program.in_shape,
    )
    return "\n\n".join([head, *_operators({step.operator for step in program.steps}), _network(program)]) + "\n" + _TAIL


def _operators(names: set[str]) -> list[str]:
    """The sources of operators and of what they call, in the order of their module."""
    source = inspect.getsource(numpy_operators)
    functions = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    wanted: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        wanted.add(name)
        called = {node.id for node in ast.walk(functions[name]) if isinstance(node, ast.Name)}
        waiting += sorted((called & functions.keys()) - wanted)
    return [f"{ast.get_source_segment(source, node)}\n" for name, node in functions.items() if name in wanted]


def _network(program: Program) -> str:
    """The steps as a function, a line each."""
    names = {INPUT: INPUT}
    lines = [f"def network({INPUT}: Array, w: dict[str, Array]) -> Array:", '    """All steps, layer by layer."""']
    layer = ""
    for number, step in enumerate(program.steps):
        if (own := step.output.partition(DERIVED)[0]) != layer:
            layer = own
            lines.append(f"    # {layer}")
        arguments = [names.get(name, f"w[{name!r}]") for name in step.inputs]
        arguments += [f"{key}={value!r}" for key, value in step.options.items()]
        names[step.output] = f"x{number}"
        lines.append(f"    x{number} = {step.operator}({', '.join(arguments)})")
    return "\n".join([*lines, f"    return x{len(program.steps) - 1}", ""])


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    return content.getvalue()
