"""Whole networks elsewhere: every config as ONNX and in NumPy; and their weights out and in again, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator

from cnncli import spec
from cnncli.errors import CheckFailed, DataError, SpecError
from cnncli.evaluation import predict
from cnncli.graph import Graph
from cnncli.interchange import export, onnx_model, tensors, weights
from cnncli.interchange.imported import Untrained
from cnncli.interchange.program import INPUT
from cnncli.model import Model
from cnncli.network import Network
from cnncli.probe import direct

# but the lecture's example, which has one output and no classes
CONFIGS = [path for path in sorted((Path(__file__).parents[2] / "configs").glob("*.yaml")) if path.stem != "lecture"]
LARGE = 4e7  # multiply-adds of an image; more are tried with few images
SHAPE, CLASSES = "data.image={size: [16, 16], channels: 1}", "data.classes=10"


def made(config: Path, folder: Path) -> Model:
    """A network with weights and states of no special value, as a checkpoint."""
    settings = ["data.normalize={mean: 0.3, std: 0.2}"]
    if (known := spec.load(str(config))).data.image is None:
        settings.append("data.image={size: [28, 28], channels: 1}" if "28" in config.read_text() else SHAPE)
    settings += [] if known.data.classes else [CLASSES]
    network = Untrained(spec.load(str(config), [*settings, "data.train=null"]))
    start = Network(network.graph, 1, training=False, fused=False)
    start.initialize(0)
    rng = np.random.default_rng(1)
    arrays = start.arrays()
    for name, array in arrays.items():
        if name.endswith("running_var"):
            arrays[name] = rng.uniform(0.5, 1.5, array.shape)
        elif array.ndim == 1:
            arrays[name] = (array + rng.normal(0, 0.05, array.shape)).astype(array.dtype)
    network.save(folder / "net.npz", arrays, config)
    return Model.load(folder / "net.npz", threads=2)


def pixels(model: Model, n: int) -> np.ndarray:
    shape = (n, *model.preprocessing.size, model.preprocessing.channels)
    return np.random.default_rng(n).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_config(config: Path, tmp_path: Path) -> None:
    model = made(config, tmp_path)
    cost = sum(plan.macs for plan in model.graph.plans.values())
    content = export.to_onnx(model, pixels(model, 2)).files[""]
    reference = ReferenceEvaluator(onnx.load_from_string(content))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    for n in (1, 7, 64) if cost < LARGE else (1, 3):
        images = pixels(model, n)
        expected = model.scores(images)
        if any("Winograd" in type(plan.algorithm).__name__ for plan in model.graph.plans.values()):
            expected = exact(model, images)  # by its definition; Winograd's own rounding is tested elsewhere
        given = {INPUT: np.ascontiguousarray(images.transpose(0, 3, 1, 2) / np.float32(255))}
        assert_near(session.run(None, given)[0], expected)
        if n < 64 and cost < LARGE / 10:
            assert_near(reference.run(None, given)[0], expected)
            assert export.to_numpy(model, images).errors["NumPy"] <= 1e-5


def exact(model: Model, images: np.ndarray) -> np.ndarray:
    network = Network.for_use(direct(model.graph), model.arrays, 64, 2)
    return predict(network, model.preprocessing, images)[0]


def assert_near(found: Any, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "lecun1989", "net3", "mobilenet"])
@pytest.mark.parametrize("form", ["onnx", "safetensors", "numpy"])
def test_weights_out_and_in_again(name: str, form: str, tmp_path: Path) -> None:
    """All bits; ONNX has no room for the double precision of batch normalisation's running averages."""
    config = next((path for path in CONFIGS if path.stem.startswith(name)), None)
    if config is None:
        pytest.skip(f"there is no config {name}")
    model = made(config, tmp_path)
    files = export.FORMATS[form](model, pixels(model, 2)).files
    content = files[""] if "" in files else files["weights.npz"]
    path = tmp_path / f"weights{ {'onnx': '.onnx', 'safetensors': '.safetensors', 'numpy': '.npz'}[form] }"
    path.write_bytes(content)
    found = tensors.read(path)
    matches = weights.match(model.graph, found)
    assert not [match for match in matches if match.problem]
    for key, array in weights.taken(str(path), matches, found, partial=False).items():
        wanted = model.arrays[key]
        if form == "onnx" and wanted.dtype == np.float64:
            wanted = wanted.astype(np.float32)
        np.testing.assert_array_equal(array, wanted, strict=True)


def test_what_the_file_says_of_itself(tmp_path: Path) -> None:
    model = made(next(path for path in CONFIGS if path.stem == "lenet5"), tmp_path)
    file = onnx.load_from_string(export.to_onnx(model, pixels(model, 2)).files[""])
    facts = {prop.key: prop.value for prop in file.metadata_props}
    assert json.loads(facts["classes"]) == [str(k) for k in range(10)]
    assert json.loads(facts["preprocessing"])["mean"] == [0.3]
    assert "pixels divided by 255" in facts["input"]
    assert file.opset_import[0].version == 17
    assert file.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    names = {tensor.name for tensor in file.graph.initializer}
    assert set(model.arrays) <= names


def test_temperature_is_part_of_the_program(tmp_path: Path) -> None:
    model = made(next(path for path in CONFIGS if path.stem == "lenet5"), tmp_path)
    cold = model.scores(pixels(model, 3))
    model.save_temperature(2.5)
    images = pixels(model, 3)
    assert np.abs(model.scores(images) - cold).max() > 1e-3
    assert max(export.to_onnx(model, images).errors.values()) <= 1e-5


def test_a_wrong_file_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = made(next(path for path in CONFIGS if path.stem == "lenet5"), tmp_path)
    monkeypatch.setattr(onnx_model, "verify", lambda *_: {"onnxruntime": 2e-5})
    with pytest.raises(CheckFailed, match=r"onnxruntime gives scores that differ by 2\.0e-05 of the largest"):
        export.to_onnx(model, pixels(model, 2))


def graph() -> Graph:
    config = next(path for path in CONFIGS if path.stem == "lenet5")
    loaded = spec.load(str(config))
    return Graph(loaded.model, (1, 28, 28), loaded.loss)


def arrays(of: Graph) -> dict[str, np.ndarray]:
    return {name: np.full(shape, i, np.float32) for i, (name, shape) in enumerate(of.stored_shapes().items())}


def test_names_of_others() -> None:
    ours = graph()
    theirs = {f"features.{name.replace('conv2d', 'conv')}": array for name, array in arrays(ours).items()}
    theirs["features.bn.num_batches_tracked"] = np.array(7)
    renamings = [weights.parse_renaming(text) for text in ("features.conv_*=conv2d_*", "features.*=*")]
    found = weights.match(ours, theirs, renamings)
    assert [match.problem for match in found] == [""] * len(arrays(ours))
    taken = weights.taken("x", found, theirs, partial=False)
    for name, array in arrays(ours).items():
        np.testing.assert_array_equal(taken[name], array)


def test_the_order_of_others() -> None:
    ours = graph()
    theirs = {f"t{i}": array for i, array in enumerate(arrays(ours).values())}
    found = weights.match(ours, theirs, in_order=True)
    assert [match.source for match in found] == list(theirs)
    assert not any(match.problem for match in found)
    found = weights.match(ours, dict(list(theirs.items())[:-1]), in_order=True)
    assert found[-1].problem == "missing there"


def test_tensors_that_do_not_fit() -> None:
    ours = graph()
    theirs = arrays(ours)
    theirs["conv2d_1.weight"] = np.zeros((6, 1, 3, 3), np.float32)
    del theirs["linear_1.bias"]
    theirs["other"] = np.zeros(3, np.float32)
    found = weights.match(ours, theirs)
    with pytest.raises(DataError) as error:
        weights.taken("x.npz", found, theirs, partial=False)
    assert str(error.value).splitlines()[:4] == [
        "x.npz does not fit this network:",
        "  conv2d_1.weight: another shape, 6x1x5x5 here, 6x1x3x3 there",
        "  linear_1.bias: missing there",
        "  other: no tensor here is called so",
    ]
    assert len(weights.taken("x.npz", found, theirs, partial=True)) == len(theirs) - 2
    theirs["linear_2.bias"][0] = np.nan
    with pytest.raises(DataError, match=r"x\.npz: linear_2\.bias holds numbers that are not finite"):
        weights.taken("x.npz", found, theirs, partial=True)
    for text in ("conv", "a=", "a.*=b"):
        with pytest.raises(SpecError, match=r"^--map "):
            weights.parse_renaming(text)
    with pytest.raises(SpecError, match=r"no tensor is called so; did you mean 'conv2d_1\.weight'"):
        weights.match(ours, theirs, [("conv2d_1.weigth", "x")])


def test_a_weight_for_each_map_may_have_empty_axes() -> None:
    ours = graph()
    theirs = arrays(ours)
    theirs["conv2d_1.bias"] = theirs["conv2d_1.bias"].reshape(6, 1, 1)
    assert weights.taken("x", weights.match(ours, theirs), theirs, partial=False)["conv2d_1.bias"].shape == (6,)
