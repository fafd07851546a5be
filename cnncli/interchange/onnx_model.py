"""ONNX: a program as a model file, and its initialisers as weights."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cnncli import __version__
from cnncli.errors import DataError
from cnncli.interchange.extras import need
from cnncli.interchange.program import INPUT, OUTPUT, Program
from cnncli.model import Model

OPSET, IR_VERSION = 17, 8  # of 2022, which every runtime reads
BATCH = "N"


def encode(program: Program, metadata: Mapping[str, str]) -> bytes:
    """The file: one graph from images (N, channels, rows, columns), 0..1, to scores (N, classes)."""
    onnx = need("onnx", "onnx")
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node(step.operator, list(step.inputs), [step.output], name=step.output, **step.options)
        for step in program.steps
    ]
    constants = [onnx.numpy_helper.from_array(array, name) for name, array in program.constants.items()]
    graph = helper.make_graph(
        nodes,
        "cnncli",
        [helper.make_tensor_value_info(INPUT, real, [BATCH, *program.in_shape])],
        [helper.make_tensor_value_info(OUTPUT, real, [BATCH, program.classes])],
        constants,
    )
    made = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="cnncli",
        producer_version=__version__,
    )
    helper.set_model_props(made, dict(metadata))
    onnx.checker.check_model(made, full_check=True)
    content: bytes = made.SerializeToString(deterministic=True)
    return content


def metadata(model: Model) -> dict[str, str]:
    """What a user of the file has to know, as text: classes in order, and what becomes of an image before it."""
    known = model.preprocessing
    return {
        "classes": json.dumps(list(model.classes)),
        "input": f"{INPUT}: float32 (N, {', '.join(map(str, known.shape))}), pixels divided by 255, so that white is 1",
        "output": f"{OUTPUT}: {'probabilities' if model.probabilities else 'outputs'} of the classes, (N, classes)",
        "preprocessing": json.dumps(known.to_dict() | {"normalisation": "is the first part of the graph"}),
        "checkpoint": model.path.name,
        "cnncli": __version__,
    }


def verify(content: bytes, images: np.ndarray, expected: np.ndarray) -> dict[str, float]:
    """Run the file in `onnx.reference` and, if it is there, onnxruntime.

    Parameters
    ----------
    content : bytes
    images : ndarray of float32, shape (N, channels, rows, columns)
    expected : ndarray, shape (N, classes)

    Returns
    -------
    dict of str to float
        The largest difference, relative to the largest of `expected`, by the program that ran it.
    """
    found = {"onnx.reference": _reference(content)}
    if (runtime := _runtime(content)) is not None:
        found["onnxruntime"] = runtime
    largest = float(np.abs(expected).max()) or 1.0
    return {name: float(np.abs(run(images) - expected).max()) / largest for name, run in found.items()}


def _reference(content: bytes) -> Any:
    evaluator = need("onnx.reference", "onnx").ReferenceEvaluator(need("onnx", "onnx").load_from_string(content))
    return lambda images: evaluator.run(None, {INPUT: images})[0]


def _runtime(content: bytes) -> Any:
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {INPUT: images})[0]


def read(path: Path) -> dict[str, np.ndarray]:
    """The initialisers of a file, by name, in its order.

    Raises
    ------
    DataError
        It is no ONNX file, or damaged.
    """
    onnx = need("onnx", "onnx")
    try:
        model = onnx.load(path, load_external_data=False)
        return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    except OSError:
        raise
    except Exception as error:
        raise DataError(f"{path}: not an ONNX file, or damaged ({' '.join(str(error).split())[:100]})") from None
