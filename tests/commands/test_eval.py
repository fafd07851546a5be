"""``cnn eval``: its numbers, tables and files; and that `predict` gives the same bits."""

import csv
import json
import os
import random
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import Cnn, Done
from PIL import Image

from cnncli.metrics import wilson_interval

JSON_KEYS = [
    "checkpoint", "data", "images", "accuracy", "accuracy_low", "accuracy_high", "loss", "top5", "classes", "confusion",
    "macro", "weighted", "temperature", "ece", "reliability", "confused", "mistakes", "suspects",
]  # fmt: skip


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_json(cnn: Cnn, trained: Path) -> None:
    done = cnn("eval", "--json")
    assert (done.code, done.err) == (0, "using runs/tiny/best.npz\n")
    values = json.loads(done.out)
    assert list(values) == JSON_KEYS
    confusion = np.array(values["confusion"])
    hits = int(np.trace(confusion))
    assert (values["images"], values["top5"]) == (21, None)
    assert values["accuracy"] == hits / 21
    assert (values["accuracy_low"], values["accuracy_high"]) == wilson_interval(hits, 21)
    assert confusion.sum(axis=1).tolist() == [7, 7, 7] == [each["images"] for each in values["classes"]]
    assert [list(each) for each in values["classes"]] == [["name", "images", "precision", "recall", "f1"]] * 3
    assert values["checkpoint"] == "runs/tiny/best.npz"
    assert os.path.basename(values["data"]) == "t10k-images-idx3-ubyte"


def test_text(cnn: Cnn, trained: Path) -> None:
    values = json.loads(cnn("eval", "--json").out)
    lines = cnn("eval", str(trained / "best.npz")).out.splitlines()
    assert f"accuracy  {100 * values['accuracy']:.1f} %" in lines[2]
    table = next(i for i, line in enumerate(lines) if line.split() == ["class", "images", "precision", "recall", "F1"])
    assert [line.split()[:2] for line in lines[table + 1 : table + 4]] == [[str(k), "7"] for k in range(3)]
    matrix = lines.index("confusion (rows are true classes, columns predicted ones)") + 2
    assert [list(map(int, line.split()[1:])) for line in lines[matrix : matrix + 3]] == values["confusion"]
    assert len({len(line) for line in lines[matrix - 1 : matrix + 3]}) == 1


def many_classes(cnn: Cnn, folder: Path, classes: int) -> None:
    """A network of many classes, fresh, and a test set of one image each."""
    names = [f"c{k}" for k in range(classes)]
    for part in ("train", "test"):
        for k, name in enumerate(names):
            (folder / f"many/{part}/{name}").mkdir(parents=True)
            Image.fromarray(np.full((6, 5), k, np.uint8)).save(folder / f"many/{part}/{name}/x.png")
    options = ("data={train: many/train}", f"model.4.out_features={classes}", "train.epochs=0")
    assert cnn("train", "tiny.yaml", *options).code == 0


def test_top_5_and_the_confusions_of_many_classes(cnn: Cnn, folder: Path) -> None:
    many_classes(cnn, folder, 31)
    values = json.loads(cnn("eval", "--json").out)
    assert 0 <= values["accuracy"] <= values["top5"] <= 1
    text = cnn("eval").out
    assert "top 5     " in text
    assert "the confusion matrix of 31 classes is in --json and --confusion FILE" in text
    assert "most often confused: " in text
    assert len(text.splitlines()) < 31 + 40


def test_another_data_set(cnn: Cnn, trained: Path, digits: Path) -> None:
    values = json.loads(cnn("eval", "--data", str(digits), "--json").out)
    assert (values["images"], values["data"]) == (15, str(digits.resolve()))
    assert json.loads(cnn("eval", "--data", "data", "--json").out)["images"] == 21


def test_data_without_a_test_part(cnn: Cnn, folder: Path) -> None:
    for file in folder.glob("data/t10k*"):
        file.unlink()
    assert cnn("train", "tiny.yaml", "train.epochs=0").code == 0
    done = cnn("eval")
    assert done.code == 65
    assert "no test part; say what to evaluate on with --data PATH" in done.err


def test_classes_that_the_network_does_not_know(cnn: Cnn, trained: Path, digits: Path) -> None:
    (digits / "2").rename(digits / "7")
    done = cnn("eval", "--data", str(digits))
    assert done.code == 65
    assert "7 is not among the 3 classes 0, 1, 2" in done.err


@pytest.mark.parametrize("size", ["1", "7", "8", "9", "64"])
@pytest.mark.parametrize("threads", ["1", "2"])
def test_batch_size_and_threads_change_no_bit(cnn: Cnn, trained: Path, size: str, threads: str) -> None:
    assert cnn("eval", "--predictions", "a.csv").code == 0
    assert cnn("eval", "--predictions", "b.csv", "--batch-size", size, "--threads", threads).code == 0
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()


def test_predictions(cnn: Cnn, trained: Path) -> None:
    done = cnn("eval", "--predictions", "p.csv", "--json")
    assert done.code == 0
    found = rows(Path("p.csv").read_text())
    assert list(found[0]) == ["path", "label", "predicted", "0", "1", "2"]
    assert [row["label"] for row in found] == [str(k % 3) for k in range(21)]
    assert found[20]["path"].endswith("t10k-images-idx3-ubyte[20]")
    scores = np.array([[row[name] for name in "012"] for row in found], np.float32)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-6)
    assert [row["predicted"] for row in found] == list(map(str, scores.argmax(axis=1)))
    hits = sum(row["label"] == row["predicted"] for row in found)
    assert json.loads(done.out)["accuracy"] == hits / 21
    assert cnn("eval", "--predictions", "no/p.csv").code == 73
    assert cnn("eval", "--predictions", "data").code == 73


def test_predictions_replace_neither_links_nor_pipes(cnn: Cnn, trained: Path) -> None:
    assert cnn("eval", "--predictions", "p.csv").code == 0
    wanted = Path("p.csv").read_bytes()
    Path("p.csv").write_text("old")
    Path("link").symlink_to("p.csv")
    assert cnn("eval", "--predictions", "link").code == 0
    assert Path("link").is_symlink()
    assert Path("p.csv").read_bytes() == wanted
    os.mkfifo("pipe")
    reader = subprocess.Popen(["cat", "pipe"], stdout=subprocess.PIPE)
    assert cnn("eval", "--predictions", "pipe").code == 0
    assert reader.communicate()[0] == wanted
    assert Path("pipe").is_fifo()


def test_predict_gives_the_same_bits(cnn: Cnn, trained: Path, digits: Path) -> None:
    assert cnn("eval", "--data", str(digits), "--predictions", "p.csv").code == 0
    wanted = {
        row["path"]: [row["predicted"], *(row[name] for name in "012")] for row in rows(Path("p.csv").read_text())
    }
    assert len(wanted) == 15
    paths = list(wanted)

    def found(done: Done) -> dict[str, list[str]]:
        assert done.code == 0
        return {os.path.abspath(row["path"]): [row["label"], *(row[name] for name in "012")] for row in rows(done.out)}

    def predicted(chosen: Sequence[str]) -> dict[str, list[str]]:
        return found(cnn("predict", "--csv", *chosen))

    assert found(cnn("predict", "--csv", str(digits))) == wanted
    random.Random(0).shuffle(paths)
    assert predicted(paths) == wanted
    assert predicted(paths * 5) == wanted  # more than a batch
    for path in paths:
        assert predicted([path]) == {path: wanted[path]}
    assert predicted(paths[:9]) | predicted(paths[9:]) == wanted
    assert found(cnn("predict", "--csv", "--threads", "1", *paths)) == wanted
