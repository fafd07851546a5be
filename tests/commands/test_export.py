"""``cnn export`` and ``cnn import``: files for other programs and from them, and what is said when they do not fit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from conftest import Cnn
from PIL import Image

from cnncli.checkpoint import load


def declared(folder: Path) -> str:
    """The config of a trained run, which says itself what its data are."""
    text = Path("runs/tiny/config.yaml").read_text()
    (folder / "alone.yaml").write_text(text)
    known = load(Path("runs/tiny/best.npz")).meta["preprocessing"]
    mean, std = known["mean"][0], known["std"][0]
    return f"data={{image: {{size: [6, 5], channels: 1}}, classes: 3, normalize: {{mean: {mean}, std: {std}}}}}"


def test_onnx(cnn: Cnn, trained: Path, digits: Path) -> None:
    done = cnn("export", "runs/tiny")
    assert (done.code, done.out) == (0, "runs/tiny/best.npz written to tiny.onnx\n")
    assert "checked with onnx.reference: scores differ by at most" in done.err
    assert "checked with onnxruntime" in done.err
    session = onnxruntime.InferenceSession("tiny.onnx", providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["classes"] == '["0", "1", "2"]'
    pixels = np.stack([np.asarray(Image.open(path)) for path in sorted(digits.rglob("*.png"))])[:, np.newaxis]
    (scores,) = session.run(None, {"image": pixels / np.float32(255)})
    rows = map(json.loads, cnn("predict", *map(str, sorted(digits.rglob("*.png"))), "--json").out.splitlines())
    for row, found in zip(rows, scores, strict=True):
        assert row["label"] == str(found.argmax())
        assert row["probability"] == pytest.approx(float(found.max()), rel=1e-5)


def test_numpy(cnn: Cnn, trained: Path) -> None:
    values = json.loads(cnn("export", "--format", "numpy", "-o", "out", "--json").out)
    assert (values["output"], values["format"]) == ("out", "numpy")
    assert values["errors"]["NumPy"] <= 1e-5
    done = subprocess.run([sys.executable, "-I", "out/predict.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("8 samples, largest difference ")
    np.save("x.npy", np.zeros((2, 6, 5), np.uint8))
    done = subprocess.run([sys.executable, "-I", "out/predict.py", "x.npy"], capture_output=True, text=True)
    assert len(done.stdout.splitlines()) == 2
    with np.load("out/weights.npz") as file:
        weights = {name: file[name] for name in file.files}
    weights["linear_1.bias"] = weights["linear_1.bias"] + 1
    weights["linear_1.bias"][0] -= 3
    np.savez("out/weights.npz", **weights)
    done = subprocess.run([sys.executable, "-I", "out/predict.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "these are not the scores that were expected" in done.stderr
    again = cnn("export", "--format", "numpy", "-o", "out")
    assert again.code == 73
    assert "out: exists and is not empty" in again.err


@pytest.mark.parametrize("form", ["onnx", "safetensors", "numpy"])
def test_there_and_back(cnn: Cnn, trained: Path, folder: Path, digits: Path, form: str) -> None:
    assert cnn("export", "--format", form, "-o", f"w.{form}").code == 0
    weights = f"w.{form}/weights.npz" if form == "numpy" else f"w.{form}"
    done = cnn("import", "alone.yaml" if declared(folder) else "", weights, declared(folder), "-o", "back.npz")
    assert done.code == 0, done.err
    assert done.out == f"8 of 8 tensors from {weights} written to back.npz\n"
    assert "conv2d_1.weight" in done.err
    before, after = load(Path("runs/tiny/best.npz")).arrays, load(Path("back.npz")).arrays
    for name, array in after.items():
        wanted = before[name].astype(np.float32) if form == "onnx" else before[name]
        np.testing.assert_array_equal(array.astype(wanted.dtype), wanted)
    if form != "onnx":  # which has running averages in single precision
        assert (
            cnn("predict", "digits", "--checkpoint", "back.npz", "--csv").out
            == cnn("predict", "digits", "--checkpoint", "runs/tiny", "--csv").out
        )
    assert cnn("train", "tiny.yaml", "--from", "back.npz", "train.epochs=1", "--run", "tuned").code == 0


def test_with_the_data_of_the_config(cnn: Cnn, trained: Path) -> None:
    assert cnn("export", "--format", "safetensors", "-o", "w.safetensors").code == 0
    assert cnn("import", "tiny.yaml", "w.safetensors").code == 0
    assert json.loads(cnn("eval", "imported.npz", "--json").out)["images"] == 21


def test_what_does_not_fit(cnn: Cnn, trained: Path, folder: Path) -> None:
    assert cnn("export", "--format", "safetensors", "-o", "w.safetensors").code == 0
    arguments = ("import", "alone.yaml", "w.safetensors", declared(folder))
    done = cnn(*arguments, "model.conv2d_1.out_channels=5")
    assert done.code == 65
    assert "conv2d_1.weight: another shape, 5x1x3x3 here, 4x1x3x3 there" in done.err
    assert not Path("imported.npz").exists()
    done = cnn(*arguments, "--map", "linear_1.*=linear_2.*")
    assert done.code == 65
    assert "linear_1.weight: missing there" in done.err
    assert cnn(*arguments, "--map", "linear_1.*=linear_2.*", "--partial").code == 0
    Path("names.txt").write_text("# a comment\nlinear_1.*=x.*\nx.*=linear_1.*\n")
    assert cnn(*arguments, "--map-file", "names.txt").code == 2  # the second fits nothing
    assert cnn(*arguments, "--in-order", "--map", "a=b").code == 2
    assert cnn("import", "alone.yaml", "none.npz", declared(folder)).code == 66
    for name, content in (("x.npz", b"text"), ("x.safetensors", b"\xff" * 40), ("x.onnx", b"\xff" * 40), ("x.pt", b"")):
        Path(name).write_bytes(content)
        done = cnn("import", "alone.yaml", name, declared(folder))
        assert done.code == 65
        assert done.err.startswith(f"error: {name}: ")
        assert done.err.count("\n") == 1
    assert cnn(*arguments, "-o", "no/x.npz").code == 73
    assert "say data.normalize=" in cnn(*arguments, "data.normalize=auto").err


@pytest.mark.parametrize(("form", "package"), [("onnx", "onnx"), ("safetensors", "safetensors.numpy")])
def test_the_extra_is_named(cnn: Cnn, trained: Path, form: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    done = cnn("export", "runs/tiny", "--format", form)
    assert done.code == 2
    assert done.err == f"error: this needs {package}; pip install 'cnncli[{form}]'\n"
