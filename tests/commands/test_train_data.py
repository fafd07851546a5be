"""``cnn train`` on parts of a set: folds, groups, balanced classes; what checkpoints know of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import Cnn, images
from PIL import Image

from cnncli.checkpoint import load

ASIDE = "split:validation"


@pytest.fixture
def patients(folder: Path) -> str:
    """Class folders with four pictures of each of six patients, in every class."""
    pixels, labels = images(72, seed=4)
    for index, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        path = folder / f"photos/{label}/p{index // 3 % 6}_{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return "data.train=photos"


def aside(run: str) -> list[int]:
    found: list[int] = load(Path(run, "last.npz")).arrays[ASIDE].tolist()
    return found


def test_folds_divide_the_set(cnn: Cnn) -> None:
    found: list[int] = []
    for index in range(3):
        fold = ("data.validation=null", f"data.fold={{k: 3, index: {index}}}", "train.epochs=1")
        done = cnn("train", "tiny.yaml", *fold, "--run", str(index))
        assert done.code == 0
        assert f"{index}: 40 training images, 20 for validation" in done.err
        found += aside(str(index))
    assert sorted(found) == list(range(60))


def test_groups_stay_together(cnn: Cnn, patients: str) -> None:
    done = cnn("train", "tiny.yaml", patients, r"data.group=/p(\d)_", "train.epochs=1", "--run", "a")
    assert done.code == 0
    files = [str(path) for label in "012" for path in sorted(Path("photos", label).iterdir(), key=_number)]
    seen = {_patient(files[index]) for index in aside("a")}
    hidden = {_patient(file) for index, file in enumerate(files) if index not in aside("a")}
    assert seen
    assert not seen & hidden


def test_groups_of_a_list(cnn: Cnn, patients: str, folder: Path) -> None:
    files = sorted(path for label in "012" for path in Path("photos", label).iterdir())
    rows = [f"{path},{path.parent.name},{_patient(path.name)}" for path in files]
    Path("list.csv").write_text("\n".join(["path,label,patient", *rows]))
    options = ("data.train=list.csv", "data.group={column: patient}", "train.epochs=1")
    done = cnn("train", "tiny.yaml", *options, "--run", "a")
    assert done.code == 0
    seen = {_patient(files[index].name) for index in aside("a")}
    hidden = {_patient(file.name) for index, file in enumerate(files) if index not in aside("a")}
    assert len(seen) + len(hidden) == 6
    assert cnn("train", "tiny.yaml", "--resume", *options, "train.epochs=2", "--run", "a").code == 0
    for data, message in (
        ("data.train=photos", "photos: no CSV or TSV list, so there is no column 'patient'"),
        ("data.group={column: patent}", "list.csv: there is no column 'patent'; did you mean 'patient'?"),
        ("data.group={colum: patient}", "unknown key 'colum'"),
    ):
        done = cnn("train", "tiny.yaml", *options, data)
        assert done.code in (2, 65)
        assert message in done.err


def _number(path: Path) -> tuple[int, int]:
    patient, number = path.stem[1:].split("_")
    return int(patient), int(number)


def _patient(file: str) -> str:
    return Path(file).name[:2]


def test_groups_that_are_the_classes(cnn: Cnn, patients: str) -> None:
    done = cnn("train", "tiny.yaml", patients, "data.group=folder")
    assert done.code == 65
    assert done.err == "error: this division of 72 images in 3 groups leaves none for validation\n"
    assert not Path("runs").exists()


def test_a_class_must_not_be_set_aside_as_a_whole(cnn: Cnn) -> None:
    pixels, labels = images(31, seed=4)
    np.savez("lonely.npz", images=pixels, labels=np.append(labels[:30] % 2, 2))
    codes = []
    for index in range(3):
        fold = ("data.validation=null", f"data.fold={{k: 3, index: {index}}}", "train.epochs=0")
        done = cnn("train", "tiny.yaml", "data.train=lonely.npz", *fold)
        codes.append(done.code)
        assert done.code == 0 or "all images of 2 would be set aside for validation" in done.err
    assert sorted(codes) == [0, 0, 65]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("data.fold={k: 5, index: 0}",), "data: give one of validation and fold, not both"),
        (
            ("data.validation=null", "data.fold={k: 5, index: 5}"),
            "data.fold: index must be at most 4 for k: 5",
        ),
        (("data.validation=null", "data.fold={k: 1, index: 0}"), "data.fold.k: must be at least 2, found 1"),
        (("data.validation=null", "data.group=folder"), "data: group divides the training set"),
        (("data.group=(",), "data.group: must be a regular expression, found '('"),
        (
            ("train.class_weights={'0': 0}",),
            "train.class_weights: must be balanced, or numbers greater than 0",
        ),
        (("train.class_weights=even",), "train.class_weights: must be balanced, or numbers"),
        (("train.class_weights={'7': 2}",), "train.class_weights: no class is called '7'; allowed: 0, 1, 2"),
        (("data.sample=even",), "data.sample: must be 'all' or 'balanced'"),
        (("data.augment=[colour]",), "data.augment: colour needs colour images, and these are grey"),
    ],
)
def test_mistakes(cnn: Cnn, changes: tuple[str, ...], message: str) -> None:
    done = cnn("train", "tiny.yaml", *changes)
    assert done.code == 2
    assert message in done.err


def test_resuming_with_others_set_aside_is_refused(cnn: Cnn) -> None:
    fold = ("data.validation=null", "train.epochs=1", "--run", "a")
    assert cnn("train", "tiny.yaml", "data.fold={k: 3, index: 0}", *fold).code == 0
    done = cnn("train", "tiny.yaml", "data.fold={k: 3, index: 1}", *fold, "--resume", "train.epochs=2")
    assert done.code == 65
    assert "the data have changed: other images would be set aside for validation now; a/last.npz cannot be" in done.err


def test_classes_that_weigh_more_are_found_more_often(cnn: Cnn) -> None:
    """Against the weights alone: a network that can only learn how often each class comes."""
    pixels, labels = images(60, seed=1)
    np.savez("flat.npz", images=0 * pixels + 9, labels=labels)
    command = ("train", "tiny.yaml", "data.train=flat.npz", "train.epochs=3", "--run")
    for run, weights in (("a", "{'1': 20}"), ("b", "{'2': 20}")):
        assert cnn(*command, run, f"train.class_weights={weights}").code == 0
        assert cnn("eval", run, "--data", "flat.npz", "--predictions", f"{run}.csv").code == 0
    first, second = (Path(f"{run}.csv").read_text().splitlines()[1].split(",") for run in ("a", "b"))
    header = Path("a.csv").read_text().splitlines()[0].split(",")
    assert first[header.index("predicted")] == "1"
    assert second[header.index("predicted")] == "2"


def test_balanced_epochs_are_as_long_as_others(cnn: Cnn) -> None:
    pixels, labels = images(60, seed=1)
    keep = (labels == 0) | (np.arange(60) < 12)
    np.savez("rare.npz", images=pixels[keep], labels=labels[keep])
    done = cnn("train", "tiny.yaml", "data.train=rare.npz", "data.sample=balanced", "train.epochs=2", "--json")
    assert done.code == 0
    assert "epoch 2/2" in done.err
