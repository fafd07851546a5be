"""``cnn show``: pictures of a trained network, and what is said about them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Cnn
from PIL import Image

from cnncli import explain, random
from cnncli.model import Model

IMAGE = "digits/1/1.png"


def picture(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_filters(cnn: Cnn, trained: Path) -> None:
    done = cnn("show", "filters", str(trained))
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("conv2d_1: 4 kernels of 1x3x3, ")
    assert done.out.endswith("; written to filters.png\n")
    assert len(np.unique(picture("filters.png"))) > 20
    values = json.loads(cnn("show", "filters", str(trained), "--layer", "linear_1", "-o", "l.png", "--json").out)
    weight = Model.load(trained).network(1).arrays()["linear_1.weight"]
    assert values["shape"] == [3, 4, 4, 3]
    assert values["max"] == float(str(weight.max()))
    assert values["output"] == "l.png"


def test_maps(cnn: Cnn, trained: Path, digits: Path) -> None:
    *layers, last = map(json.loads, cnn("show", "maps", str(trained), IMAGE, "--json").out.splitlines())
    assert [layer["layer"] for layer in layers] == ["conv2d_1", "batch_norm2d_1", "relu_1", "dropout_1", "linear_1"]
    assert layers[0]["shape"] == [4, 4, 3]
    assert layers[2]["min"] == 0 < layers[2]["zero"] < 1
    assert last["class"] in "012"
    tall = picture("maps.png")
    one = cnn("show", "maps", str(trained), IMAGE, "--layer", "relu_1", "-o", "one.png")
    assert "written to one.png" in one.out
    assert picture("one.png").shape[0] < tall.shape[0]


def test_maps_are_what_the_network_computes(cnn: Cnn, trained: Path, digits: Path) -> None:
    model = Model.load(trained)
    pixels = model.decode([IMAGE])[0]
    maps = explain.feature_maps(model, pixels)
    np.testing.assert_array_equal(maps["relu_1"], np.maximum(maps["batch_norm2d_1"], 0))
    np.testing.assert_array_equal(maps["dropout_1"], maps["relu_1"])
    arrays = model.network(1).arrays()
    scores = arrays["linear_1.weight"] @ maps["dropout_1"].ravel() + arrays["linear_1.bias"]
    np.testing.assert_allclose(maps["linear_1"].ravel(), scores, rtol=1e-5)
    shares = np.exp(scores - scores.max())
    np.testing.assert_allclose(model.scores(pixels[None])[0], shares / shares.sum(), rtol=1e-4)


def test_receptive_field(cnn: Cnn, trained: Path, digits: Path) -> None:
    for source in (str(trained), "tiny.yaml"):
        done = cnn("show", "receptive-field", source, "--json")
        values = json.loads(done.out)
        assert values == {
            "layer": "dropout_1", "unit": [2, 1], "rows": [2, 5], "columns": [1, 4], "pixels": 9, "pixels_used": 9,
            "output": "receptive-field.png",
        }  # fmt: skip
    args = ("--layer", "linear_1", "--image", IMAGE, "-o", "rf.png")
    assert "sees rows 0 to 5, columns 0 to 4 of 6x5" in cnn("show", "receptive-field", str(trained), *args).out
    assert (picture("rf.png") == (230, 30, 30)).all(axis=2).any()
    done = cnn("show", "receptive-field", "tiny.yaml", "model.conv2d_1.kernel_size=2", "--unit", "0,0", "--json")
    assert json.loads(done.out)["rows"] == [0, 2]


def test_saliency(cnn: Cnn, trained: Path, digits: Path) -> None:
    values = json.loads(cnn("show", "saliency", str(trained), IMAGE, "--json").out)
    model = Model.load(trained)
    pixels = model.decode([IMAGE])[0]
    label = model.classes.index(values["class"])
    found = explain.saliency(model, pixels, label)
    assert found.shape == (6, 5)
    assert values["max"] == found.max() > 0

    def output(image: np.ndarray) -> float:
        return float(explain.feature_maps(model, image)["linear_1"][label, 0, 0])

    difference = 0.0
    for change in (1, -1):
        moved = pixels.copy()
        moved[2, 2, 0] = int(moved[2, 2, 0]) + change
        difference += change * output(moved)
    assert abs(difference) * 255 / 2 == pytest.approx(found[2, 2], rel=0.05, abs=1e-3)
    other = "012"[label - 1]
    assert json.loads(cnn("show", "saliency", str(trained), IMAGE, "--class", other, "--json").out)["class"] == other


def test_smoothgrad(cnn: Cnn, trained: Path, digits: Path) -> None:
    """The mean over copies whose noise is drawn again here; without noise it is the gradient itself."""
    values = json.loads(cnn("show", "smoothgrad", str(trained), IMAGE, "--samples", "70", "--json").out)
    model = Model.load(trained)
    pixels = model.decode([IMAGE])[0]
    label = model.classes.index(values["class"])
    found = explain.smoothgrad(model, pixels, label, 70, 0.15)
    assert (values["samples"], values["noise"], values["max"]) == (70, 0.15, found.max())
    x = explain.preprocessed(model, pixels)[0]
    noise = [random.normal(first, random.stream("smoothgrad"), n * x.size) for first, n in ((0, 64), (64, 6))]
    copies = x + 0.15 * (x.max() - x.min()) * np.concatenate(noise).reshape(70, *x.shape)
    mean = np.mean([input_gradient(model, copy, label) for copy in copies], axis=0)
    np.testing.assert_allclose(found, np.abs(mean / model.preprocessing.std[0]).max(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        explain.smoothgrad(model, pixels, label, 3, 0.0), explain.saliency(model, pixels, label), rtol=1e-5
    )
    assert picture("smoothgrad.png").size


def layers(model: Model, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The tiny network by NumPy: maps before and behind batch normalisation and ReLU, and outputs."""
    p = model.arrays
    windows = np.lib.stride_tricks.sliding_window_view(x[0].astype(np.float64), (3, 3))
    maps = np.einsum("yxij,oij->oyx", windows, p["conv2d_1.weight"][:, 0]) + p["conv2d_1.bias"][:, None, None]
    scale = p["batch_norm2d_1.weight"] / np.sqrt(p["batch_norm2d_1.running_var"] + 1e-5)
    shift = p["batch_norm2d_1.bias"] - p["batch_norm2d_1.running_mean"] * scale
    rectified = np.maximum(maps * scale[:, None, None] + shift[:, None, None], 0)
    return maps, rectified, p["linear_1.weight"] @ rectified.ravel() + p["linear_1.bias"]


def input_gradient(model: Model, x: np.ndarray, label: int) -> np.ndarray:
    p = model.arrays
    _, rectified, _ = layers(model, x)
    scale = p["batch_norm2d_1.weight"] / np.sqrt(p["batch_norm2d_1.running_var"] + 1e-5)
    back = p["linear_1.weight"][label].reshape(rectified.shape) * (rectified > 0) * scale[:, None, None]
    gradient = np.zeros(x.shape)
    for i in range(3):
        for j in range(3):
            rows, columns = back.shape[1:]
            gradient[0, i : i + rows, j : j + columns] += np.einsum("oyx,o->yx", back, p["conv2d_1.weight"][:, 0, i, j])
    return gradient


def test_grad_cam(cnn: Cnn, trained: Path, digits: Path) -> None:
    """Equations 1 and 2 on the maps behind the ReLU, where gradients are the linear layer's weights."""
    values = json.loads(cnn("show", "grad-cam", str(trained), IMAGE, "--json").out)
    model = Model.load(trained)
    pixels = model.decode([IMAGE])[0]
    label = model.classes.index(values["class"])
    maps, rectified, _ = layers(model, explain.preprocessed(model, pixels)[0])
    weights = model.arrays["linear_1.weight"][label].reshape(rectified.shape)
    for layer, seen, gradient in (
        ("relu_1", rectified, weights),
        ("dropout_1", rectified, weights),
        (
            "conv2d_1",
            maps,
            weights
            * (rectified > 0)
            * (model.arrays["batch_norm2d_1.weight"] / np.sqrt(model.arrays["batch_norm2d_1.running_var"] + 1e-5))[
                :, None, None
            ],
        ),
    ):
        evidence = np.maximum((gradient.mean(axis=(1, 2), keepdims=True) * seen).sum(axis=0), 0)
        image = Image.fromarray(evidence.astype(np.float32)).resize((5, 6), Image.Resampling.BILINEAR)
        found = explain.grad_cam(model, pixels, label, layer)
        np.testing.assert_allclose(found, np.asarray(image), rtol=1e-4, atol=1e-6)
    assert values["layer"] == "dropout_1"
    assert found.shape == (6, 5)
    assert picture("grad-cam.png").size


def test_a_network_without_maps_has_no_grad_cam(cnn: Cnn, digits: Path) -> None:
    assert cnn("train", "tiny.yaml", "model=[{linear: {out_features: 3}}]", "train.epochs=0", "--run", "flat").code == 0
    done = cnn("show", "grad-cam", "flat", IMAGE)
    assert done.code == 2
    assert "no layer with maps" in done.err


def test_occlusion(cnn: Cnn, trained: Path, digits: Path) -> None:
    values = json.loads(cnn("show", "occlusion", str(trained), IMAGE, "--size", "2", "--json").out)
    assert values["lowest"] <= values["score"]
    model = Model.load(trained)
    pixels = model.decode([IMAGE])[0]
    label = model.classes.index(values["class"])
    found = explain.occlusion(model, pixels, label, 2, 1)
    assert found[values["row"], values["column"]] == found.min()
    mean = round(model.preprocessing.mean[0] * 255)
    corners = []
    for row, column in ((0, 0), (4, 0), (0, 3), (4, 3)):
        covered = pixels.copy()
        covered[row : row + 2, column : column + 2] = mean
        corners.append(model.scores(covered[None])[0, label])
    np.testing.assert_allclose(found[[0, 5, 0, 5], [0, 0, 4, 4]], corners, rtol=1e-6)
    whole = explain.occlusion(model, pixels, label, 9, 4)
    assert np.unique(whole).size == 1


def test_augment(cnn: Cnn) -> None:
    args = ("show", "augment", "tiny.yaml", "data.augment=[{shift: 1}, {rotate: 5}]", "--images", "3", "--epochs", "4")
    done = cnn(*args)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("3 of 45 training images in 4 epochs: {shift: {pixels: [1, 1]}}, {rotate: ")
    drawn = picture("augment.png")
    values = json.loads(cnn(*args, "data.fill=edge", "-o", "edge.png", "--json").out)
    assert values == {
        "images": [0, 22, 44], "epochs": 4, "augment": [{"shift": {"pixels": [1, 1]}}, {"rotate": {"degrees": 5.0}}],
        "fill": "edge", "output": "edge.png",
    }  # fmt: skip
    assert (picture("edge.png") != drawn).any()
    fewer = cnn(*args[:4], "data.augment=[{shift: 0}]", "--images", "3", "--epochs", "1")
    assert fewer.code == 0
    assert picture("augment.png").shape < drawn.shape


def test_steps_of_the_square_reach_the_border() -> None:
    assert explain._starts(10, 4, 4) == [0, 4, 6]
    assert explain._starts(10, 4, 3) == [0, 3, 6]
    assert explain._starts(3, 4, 2) == [0]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["filters", "none.npz"], 66, "no such checkpoint"),
        (["filters", "RUN", "--layer", "relu_1"], 2, "layer 'relu_1' has no kernels; with kernels: conv2d_1, linear_1"),
        (["filters", "RUN", "--layer", "conv1"], 2, "there is no layer 'conv1'; did you mean 'conv2d_1'?"),
        (["filters", "RUN", "-o", "x.jpg"], 2, "must end in .png"),
        (["filters", "RUN", "-o", "no/x.png"], 73, "cannot be written"),
        (["maps", "RUN", "no.png"], 66, "no.png: there is no such file"),
        (["maps", "RUN", IMAGE, "--layer", "x"], 2, "there is no layer 'x'"),
        (["receptive-field", "RUN", "train.seed=1"], 2, "a checkpoint's network cannot be changed"),
        (["receptive-field", "RUN", "--unit", "4,0"], 2, "the maps of dropout_1 have 4 rows, 3 columns"),
        (["receptive-field", "RUN", "--unit", "4"], 2, "'4' is no place on a map"),
        (["augment", "tiny.yaml"], 2, "tiny.yaml changes no images: add `data: {augment: [{shift: 2}]}`"),
        (["augment", "tiny.yaml", "data.augment=[{shft: 2}]"], 2, "unknown augmentation 'shft'; did you mean 'shift'?"),
        (["augment", "tiny.yaml", "data.augment=[flip]", "--epochs", "999"], 2, "--images and --epochs say how many"),
        (["saliency", "RUN", IMAGE, "--class", "7"], 2, "there is no such class; allowed: 0, 1, 2"),
        (["grad-cam", "RUN", IMAGE, "--layer", "linear_1"], 2, "layer 'linear_1' has no maps, only single numbers"),
        (["grad-cam", "RUN", IMAGE, "--layer", "rellu_1"], 2, "there is no layer 'rellu_1'; did you mean 'relu_1'?"),
        (["smoothgrad", "RUN", IMAGE, "--samples", "0"], 2, "--samples"),
        (["occlusion", "RUN", IMAGE, "--size", "6"], 2, "the network's images have 6x5 pixels"),
        (["occlusion", "RUN", IMAGE, "--size", "2", "--stride", "3"], 2, "would skip pixels"),
    ],
)
def test_refusals(cnn: Cnn, trained: Path, digits: Path, args: list[str], code: int, message: str) -> None:
    done = cnn("show", *(str(trained) if arg == "RUN" else arg for arg in args))
    assert (done.code, done.out) == (code, "")
    assert message in done.err


# --- schedule


def test_schedule(cnn: Cnn) -> None:
    options = ("train.epochs=5", "schedule={step: {step_epochs: 3, warmup_epochs: 2}}")
    done = cnn("show", "schedule", "tiny.yaml", *options)
    assert done.code == 0
    head, *lines, last = done.out.splitlines()
    assert head.split("  ")[-1] == "at its end"
    assert [line.split() for line in lines] == [
        ["1", "0", "0.025"], ["2", "0.025", "0.05"], ["3", "0.05", "0.05"], ["4", "0.005", "0.005"],
        ["5", "0.005", "0.005"],
    ]  # fmt: skip
    assert last == "step: learning rate up to 0.05 in 5 epochs; written to schedule.png"
    assert len(np.unique(picture("schedule.png"))) > 20
    *rows, facts = map(json.loads, cnn("show", "schedule", "tiny.yaml", *options, "--json").out.splitlines())
    assert rows[1] == {"epoch": 2, "start": 0.025, "end": pytest.approx(0.05)}
    assert facts == {"schedule": "step", "lr": 0.05, "epochs": 5, "output": "schedule.png"}


def test_schedule_of_many_epochs_and_of_none(cnn: Cnn) -> None:
    lines = cnn("show", "schedule", "tiny.yaml", "train.epochs=1000", "schedule=cosine").out.splitlines()
    assert len(lines) < 50
    assert lines[-2].split()[0] == "1000"
    assert "follow from the training" in cnn("show", "schedule", "tiny.yaml", "schedule=plateau").err
    assert cnn("show", "schedule", "tiny.yaml", "train.epochs=0").code == 2
