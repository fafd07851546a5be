"""A checkpoint in another form, checked against the network itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cnncli.errors import CheckFailed
from cnncli.evaluation import predict
from cnncli.interchange import numpy_folder, numpy_operators, onnx_model, tensors
from cnncli.interchange.network import program_of
from cnncli.interchange.program import INPUT, OUTPUT, Program
from cnncli.model import BATCH, Model
from cnncli.network import Network
from cnncli.probe import direct
from cnncli.temperature_scaling import tempered

TOLERANCE = 1e-5  # of the largest score


@dataclass(frozen=True)
class Exported:
    """Files by name, one without a name where there is but one; and by how much what ran them differs."""

    files: dict[str, bytes]
    errors: dict[str, float]


def to_onnx(model: Model, images: np.ndarray) -> Exported:
    """ONNX, run by `onnx.reference` and, if it is there, onnxruntime.

    Parameters
    ----------
    model : Model
    images : ndarray, shape (N, rows, columns, channels)
        To check with.

    Raises
    ------
    CheckFailed
        What runs the file gives other scores.
    """
    content = onnx_model.encode(program_of(model), onnx_model.metadata(model))
    return _checked({"": content}, onnx_model.verify(content, _scaled(images), _scores(model, images)))


def to_numpy(model: Model, images: np.ndarray) -> Exported:
    """A folder for NumPy; see `to_onnx`."""
    program, scores = program_of(model), _scores(model, images)
    error = np.abs(run(program, _scaled(images)) - scores).max() / np.abs(scores).max()
    return _checked(numpy_folder.encode(model, program, images, scores), {"NumPy": float(error)})


def to_safetensors(model: Model, images: np.ndarray) -> Exported:
    """The weights alone; see `to_onnx`."""
    return Exported({"": tensors.to_safetensors(model.arrays, onnx_model.metadata(model))}, {})


FORMATS: dict[str, Callable[[Model, np.ndarray], Exported]] = {
    "onnx": to_onnx,
    "safetensors": to_safetensors,
    "numpy": to_numpy,
}


def run(program: Program, images: np.ndarray) -> np.ndarray:
    """Scores by the operators in NumPy; `images` is (N, channels, rows, columns), float32."""
    values = {INPUT: images, **program.constants}
    for step in program.steps:
        operator = getattr(numpy_operators, step.operator)
        values[step.output] = operator(*(values[name] for name in step.inputs), **step.options)
    return values[OUTPUT]


def _scores(model: Model, images: np.ndarray) -> np.ndarray:
    """What the network says by its definition: without Winograd's transforms, whose rounding errors come near 1e-5."""
    network = Network.for_use(direct(model.graph), model.arrays, BATCH, model.threads)
    scores, _ = predict(network, model.preprocessing, images)
    return tempered(scores, model.temperature) if model.temperature else scores


def _scaled(images: np.ndarray) -> np.ndarray:
    """Decoded images as a program wants them."""
    white = np.float32(np.iinfo(images.dtype).max if images.dtype.kind == "u" else 1)
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2) / white, np.float32)


def _checked(files: dict[str, bytes], errors: dict[str, float]) -> Exported:
    for name, error in errors.items():
        if not error <= TOLERANCE:
            raise CheckFailed(f"{name} gives scores that differ by {error:.1e} of the largest; nothing was written")
    return Exported(files, errors)
