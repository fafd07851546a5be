"""``cnn robust`` and ``cnn eval --reject``."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Cnn
from PIL import Image

from cnncli.metrics import wilson_interval
from cnncli.transforms import TRANSFORMS


@pytest.fixture
def two(cnn: Cnn, trained: Path) -> tuple[str, str]:
    """A trained network and a fresh one."""
    assert cnn("train", "tiny.yaml", "train.epochs=0", "train.seed=3", "--run", "runs/fresh").code == 0
    return str(trained), "runs/fresh"


def test_tables(cnn: Cnn, two: tuple[str, str]) -> None:
    done = cnn("robust", *two, "--transforms", "scale,occlusion")
    assert (done.code, done.err) == (0, "")
    scale, occlusion, last = done.out.split("\n\n")
    lines = [line.split() for line in scale.splitlines()]
    assert [line[0] for line in lines] == ["scale", *two]
    assert lines[0][1] == "(times)"
    assert lines[0][2:14] == [f"{level:g}" for level in TRANSFORMS["scale"].levels]
    assert len(lines[1]) >= 12 + 3
    assert "*" in scale
    assert occlusion.startswith("occlusion (pixels)")
    assert last.startswith("21 images")


def test_json(cnn: Cnn, two: tuple[str, str]) -> None:
    accuracy = json.loads(cnn("eval", two[0], "--json").out)["accuracy"]
    lines = list(map(json.loads, cnn("robust", *two, "--transforms", "brightness", "--json").out.splitlines()))
    assert len(lines) == 2 * (11 + 1)
    neutral = lines[5]
    assert (neutral["model"], neutral["transform"], neutral["level"]) == (two[0], "brightness", 0)
    assert neutral["accuracy"] == accuracy
    assert (neutral["retention"], neutral["same_answer"], neutral["p_value"]) == (1, 1, None)
    assert (neutral["accuracy_low"], neutral["accuracy_high"]) == wilson_interval(round(21 * accuracy), 21)
    assert set(lines[11]) == {"model", "transform", "area", "half_way_below", "half_way_above"}
    assert 0 <= lines[12]["p_value"] <= 1


def test_files(cnn: Cnn, two: tuple[str, str]) -> None:
    done = cnn("robust", *two, "--transforms", "shift_right,contrast", "-o", "out/deep")
    assert done.err == "written to out/deep/robust.csv and out/deep/robust.png\n"
    rows = list(csv.DictReader(Path("out/deep/robust.csv").read_text().splitlines()))
    assert len(rows) == 2 * (9 + 9)
    assert {row["model"] for row in rows} == set(two)
    assert rows[0]["p_value"] == ""
    assert float(rows[0]["accuracy"]) > 0.8
    with Image.open("out/deep/robust.png") as picture:
        assert picture.size > (800, 200)
        assert len(np.unique(np.asarray(picture))) > 20
    before = Path("out/deep/robust.csv").read_bytes(), Path("out/deep/robust.png").read_bytes()
    assert cnn("robust", *two, "--transforms", "shift_right,contrast", "-o", "out/deep", "--threads", "1").code == 0
    assert (Path("out/deep/robust.csv").read_bytes(), Path("out/deep/robust.png").read_bytes()) == before


def test_other_images(cnn: Cnn, trained: Path, digits: Path) -> None:
    done = cnn("robust", str(trained), "--data", "digits", "--transforms", "shear", "--centre", "mass", "--json")
    assert json.loads(done.out.splitlines()[0])["images"] == 15
    white = cnn("robust", str(trained), "--transforms", "rotation", "--background", "1", "--json").out
    assert white != cnn("robust", str(trained), "--transforms", "rotation", "--json").out


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ([], 2, "CHECKPOINT..."),
        (["none.npz"], 66, "no such checkpoint"),
        (["RUN", "RUN"], 2, "the same checkpoint is named twice"),
        (["RUN", "--transforms", "rotate"], 2, "there is no transform 'rotate'"),
        (["RUN", "--transforms", "shift"], 2, "there is no transform 'shift'; did you mean 'shift_"),
        (["RUN", "--data", "none"], 66, "there is no such file or folder"),
        (["RUN", "--background", "2"], 2, "--background"),
        (["RUN", "-o", "tiny.yaml/x"], 73, "cannot be written"),
    ],
)
def test_refusals(cnn: Cnn, trained: Path, args: list[str], code: int, message: str) -> None:
    done = cnn("robust", *(str(trained) if arg == "RUN" else arg for arg in args))
    assert (done.code, done.out) == (code, "")
    assert message in done.err


def test_data_without_a_test_part(cnn: Cnn, folder: Path, trained: Path) -> None:
    for file in folder.glob("data/t10k*"):
        file.unlink()
    done = cnn("robust", str(trained))
    assert done.code == 65
    assert "say what to evaluate on with --data PATH" in done.err


def test_reject(cnn: Cnn, trained: Path) -> None:
    plain = json.loads(cnn("eval", str(trained), "--json").out)
    values = json.loads(cnn("eval", str(trained), "--json", "--reject").out)
    rejection = values.pop("reject")
    assert values == plain
    assert list(rejection) == ["share", "gap", "kept", "errors"]
    assert rejection["share"] == 1 - rejection["kept"] / 21
    assert rejection["errors"] <= 0.01 * rejection["kept"]
    assert any(line.startswith("reject    ") for line in cnn("eval", str(trained), "--reject").out.splitlines())


def test_reject_all(cnn: Cnn, trained: Path, digits: Path) -> None:
    """Every folder has the name of another class, so everything is wrong."""
    for old, new in (("0", "x"), ("1", "0"), ("2", "1"), ("x", "2")):
        (digits / old).rename(digits / new)
    out = cnn("eval", str(trained), "--data", "digits", "--reject").out
    assert "accuracy  0.0 %" in out
    assert "reject    100.0 % (nothing less leaves 1 % wrong)" in out
    values = json.loads(cnn("eval", str(trained), "--data", "digits", "--reject", "--json").out)
    assert values["reject"] == {"share": 1.0, "gap": None, "kept": 0, "errors": 0}
