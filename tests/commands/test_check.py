"""``cnn check``: what is sound, and every kind of thing that is not."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Cnn, images, write_idx
from PIL import Image

from cnncli import runtime


def lines(out: str) -> dict[str, str]:
    """Level and text by what they are about; of several, the last."""
    return {line.split()[1]: f"{line.split()[0]} {line[26:]}" for line in out.splitlines()}


def write_part(part: str, pixels: np.ndarray, labels: np.ndarray) -> None:
    write_idx(Path(f"data/{part}-images-idx3-ubyte"), pixels)
    write_idx(Path(f"data/{part}-labels-idx1-ubyte"), labels)


def test_sound(cnn: Cnn, folder: Path) -> None:
    done = cnn("check", "tiny.yaml")
    assert done.code == 0
    assert done.err == "tiny.yaml: no errors, no warnings\n"
    found = lines(done.out)
    assert list(found) == ["config", "data", "classes", "pixels", "duplicates", "memory", "disk", "time"]
    assert found["data"].startswith("ok every image can be read: 45 for training, 15 for validation, 21 for testing")
    assert found["classes"] == "ok 3 classes of 15 training images each"
    assert sorted(path.name for path in folder.iterdir()) == ["data", "tiny.yaml"], "it leaves nothing behind"


def test_json(cnn: Cnn) -> None:
    done = cnn("check", "tiny.yaml", "--json")
    *findings, last = map(json.loads, done.out.splitlines())
    assert last == {"config": "tiny.yaml", "sound": True, "errors": 0, "warnings": 0}
    assert done.err == ""
    values = {finding["about"]: finding for finding in findings}
    assert values["classes"]["classes"][2] == {"name": "2", "train": 15, "validation": 5, "test": 7}
    assert values["time"]["epoch_s"] > 0


def test_train(cnn: Cnn) -> None:
    found = lines(cnn("check", "tiny.yaml", "--train", "model.dropout_1.p=0").out.replace("one batch", "one_batch"))
    assert found["start"].startswith("ok a loss of ")
    assert found["one_batch"].startswith("ok 32 images: the loss goes from ")
    assert found["shuffled"].endswith("with 3 classes this tells little")


def test_the_config_of_the_folder(cnn: Cnn, folder: Path) -> None:
    (folder / "tiny.yaml").rename(folder / "cnn.yaml")
    done = cnn("check", "data.validation=0.4")
    assert done.code == 0
    assert "36 for training, 24 for validation" in done.out
    assert done.err.startswith("using cnn.yaml\n")


def test_mistakes_in_the_config(cnn: Cnn) -> None:
    done = cnn("check", "tiny.yaml", "train.epochs=-1")
    assert (done.code, done.out) == (2, "")


def test_a_network_that_does_not_fit_the_data(cnn: Cnn) -> None:
    done = cnn("check", "tiny.yaml", "model.4.out_features=4")
    assert done.code == 2
    assert done.out.startswith("error    data ")
    assert "the network has 4 outputs, the data has 3 classes" in done.out


def test_bad_images_of_all_parts_are_named_at_once(cnn: Cnn, digits: Path) -> None:
    for part in ("train", "test"):
        for label in "012":
            (digits / part / label).mkdir(parents=True)
    for path in list(digits.glob("?/*.png")):
        for part in ("train", "test"):
            (digits / part / path.parent.name / path.name).write_bytes(path.read_bytes())
        path.unlink()
    for label in "012":
        (digits / label).rmdir()
    (digits / "train/0/0.png").write_bytes((digits / "train/0/0.png").read_bytes()[:60])
    (digits / "test/1/1.png").write_bytes((digits / "test/1/1.png").read_bytes()[:60])
    done = cnn("check", "tiny.yaml", "data.train=digits")
    assert done.code == 65
    assert "train/0/0.png" in done.out
    assert "test/1/1.png" in done.out


@pytest.mark.parametrize(("part", "level", "code"), [("train", "error", 1), ("t10k", "warning", 0)])
def test_a_class_without_images(cnn: Cnn, part: str, level: str, code: int) -> None:
    pixels, labels = images(60, seed=5)
    labels[labels == 1] = 2
    write_part(part, pixels, labels)
    done = cnn("check", "tiny.yaml")
    assert done.code == code
    assert f"{level:<8} classes          no {'test' if part == 't10k' else part} image of 1\n" in done.out


def test_uneven_classes(cnn: Cnn) -> None:
    pixels, labels = images(60, seed=5)
    labels[labels == 1] = 2
    labels[1] = labels[4] = 1
    write_part("train", pixels, labels)
    assert "warning  classes          3 classes of 1 (1) to 29 (2)" in cnn("check", "tiny.yaml").out


def test_the_same_image_in_two_parts(cnn: Cnn) -> None:
    pixels, labels = images(60, seed=60)
    write_part("t10k", pixels[:12], labels[:12])
    done = cnn("check", "tiny.yaml")
    assert done.code == 1
    assert "of 12 test images are train images too, such as data/train-images-idx3-ubyte[" in done.out


def test_one_image_with_two_labels(cnn: Cnn) -> None:
    pixels, labels = images(60, seed=60)
    pixels[40:50] = pixels[0]
    write_part("train", pixels, labels)
    done = cnn("check", "tiny.yaml", "data.validation=0.05")
    assert "warning  duplicates " in done.out
    assert "training images repeat another one; " in done.out
    assert "with another label, such as data/train" in done.out


def test_an_image_saved_anew_in_another_part(cnn: Cnn, folder: Path) -> None:
    rng = np.random.default_rng(1)
    for part, label in (("train", "a"), ("train", "b"), ("test", "a"), ("test", "b")):
        (folder / "set" / part / label).mkdir(parents=True)
        for index in range(5):
            coarse = Image.fromarray(rng.integers(0, 255, (4, 5), np.uint8))
            coarse.resize((40, 32)).save(folder / f"set/{part}/{label}/{index}.png")
    Image.open("set/train/a/3.png").save("set/test/a/9.jpg", quality=80)
    found = cnn("check", "tiny.yaml", "data.train=set", "data.validation=", "model.4.out_features=2").out
    assert "1 of 11 test images look nearly like a train image, such as set/train/a/3.png and set/test/a/9.jpg" in found


def test_blank_and_dark_images(cnn: Cnn) -> None:
    pixels, labels = images(60, seed=60)
    write_part("train", pixels // 128, labels)
    assert "the brightest pixel is 1 of 255: almost black" in cnn("check", "tiny.yaml").out
    pixels[7] = 9
    write_part("t10k", pixels, labels)
    assert "1 test images of one colour, such as " in cnn("check", "tiny.yaml").out


def test_more_memory_than_there_is(cnn: Cnn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "memory", lambda: 10**9)
    done = cnn("check", "tiny.yaml", "model.4.out_features=3", "train.batch_size=10000000")
    assert done.code == 2
    assert "GB are needed, and 0.8 GB may be used" in done.out


def test_training_that_diverges_at_once(cnn: Cnn) -> None:
    done = cnn("check", "tiny.yaml", "optimizer.sgd.lr=1e30")
    assert done.code == 76
    assert "error    training " in done.out
