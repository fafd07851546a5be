"""``cnn predict``: what it reads and prints, and that a bad image stops nothing."""

import csv
import io
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import Cnn, start
from PIL import Image

from cnncli.checkpoint import load, save
from cnncli.commands._console import csv_row
from cnncli.model import Model


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_text(cnn: Cnn, trained: Path, digits: Path) -> None:
    done = cnn("predict", "digits/0/0.png", "digits/1/13.png")
    assert (done.code, done.err) == (0, "using runs/tiny/best.npz\n")
    first, second = lines(done.out)
    path, label, share, percent = first.split()
    assert (path, percent) == ("digits/0/0.png", "%")
    assert label in "012"
    assert 100 / 3 <= float(share) <= 100
    assert second.index("%") == first.index("%")


def test_top_k(cnn: Cnn, trained: Path, digits: Path) -> None:
    for k, shown in (("2", 2), ("3", 3), ("99", 3)):
        (value,) = map(json.loads, lines(cnn("predict", "digits/0/0.png", "--json", "--top-k", k).out))
        assert len(value["top"]) == shown
        probabilities = [each["probability"] for each in value["top"]]
        assert probabilities == sorted(probabilities, reverse=True)
        assert {"label": value["label"], "probability": value["probability"]} == value["top"][0]
        assert cnn("predict", "digits/0/0.png", "--top-k", k).out.count("%") == shown


def test_json(cnn: Cnn, trained: Path, digits: Path) -> None:
    done = cnn("predict", "digits", "no.png", "--json")
    assert done.code == 65
    values = list(map(json.loads, lines(done.out)))
    assert [list(value) for value in values] == [["path", "label", "probability", "top"]] * 15 + [["path", "error"]]
    assert values[-1] == {"path": "no.png", "error": "there is no such file or folder"}


def test_csv_and_json_tell_the_same_numbers(cnn: Cnn, trained: Path, digits: Path) -> None:
    table = list(csv.DictReader(lines(cnn("predict", "digits", "--csv").out)))
    values = list(map(json.loads, lines(cnn("predict", "digits", "--json", "--top-k", "3").out)))
    assert list(table[0]) == ["path", "label", "probability", "0", "1", "2", "error"]
    for row, value in zip(table, values, strict=True):
        assert (row["path"], row["label"], row["error"]) == (value["path"], value["label"], "")
        assert float(row["probability"]) == value["probability"]
        assert {each["label"]: each["probability"] for each in value["top"]} == {k: float(row[k]) for k in "012"}
        assert all(str(np.float32(row[k])) == row[k] for k in "012")


def test_bad_images_are_rows(cnn: Cnn, trained: Path, digits: Path, folder: Path) -> None:
    good = Path("digits/0/0.png").read_bytes()
    Path("half.png").write_bytes(good[:40])
    Path("text.png").write_text("hello")
    Path("empty.png").touch()
    bad = ["half.png", "text.png", "empty.png", "none.png", "line\nbreak.png"]
    done = cnn("predict", "digits/0/0.png", *bad, "digits/1/1.png", "--csv")
    assert done.code == 65
    assert lines(done.err)[-1] == "error: 5 of 7 images failed; their rows say why"
    rows = list(csv.reader(io.StringIO(done.out)))[1:]
    assert [row[0] for row in rows] == ["digits/0/0.png", *bad, "digits/1/1.png"]
    assert [bool(row[-1]) for row in rows] == [False, True, True, True, True, True, False]
    assert [row[1:-1] for row in rows[1:6]] == [[""] * 5] * 5
    assert rows[2][-1] == "not an image (looks like text)"
    text = cnn("predict", "digits/0/0.png", *bad, "digits/1/1.png")
    assert text.code == 65
    assert len(lines(text.out)) == 7
    assert "line?break.png" in text.out
    alone = cnn("predict", "none.png")
    assert (alone.code, alone.out) == (65, "none.png  error: there is no such file or folder\n")


def test_folders_are_searched_in_order(cnn: Cnn, trained: Path, digits: Path, folder: Path) -> None:
    (digits / "notes.txt").write_text("no image")
    (digits / ".hidden.png").write_text("no image")
    (digits / ".cache").mkdir()
    (digits / ".cache/1.png").write_text("no image")
    done = cnn("predict", "digits", "--csv")
    paths = [row["path"] for row in csv.DictReader(lines(done.out))]
    assert done.code == 0
    assert paths == [f"digits/{label}/{index}.png" for label in range(3) for index in range(label, 15, 3)]
    done = cnn("predict", "digits/*/*.png", "--csv")
    assert [row["path"] for row in csv.DictReader(lines(done.out))] == sorted(paths)
    (folder / "empty").mkdir()
    assert cnn("predict", "empty").code == 65


def test_lists(cnn: Cnn, trained: Path, digits: Path) -> None:
    Path("list.txt").write_text("digits/1/1.png\r\n\ndigits/0/0.png\n")
    wanted = cnn("predict", "digits/2/2.png", "digits/1/1.png", "digits/0/0.png").out
    assert cnn("predict", "digits/2/2.png", "--list", "list.txt").out == wanted
    with open("list.txt") as stdin:
        done = start("predict", "digits/2/2.png", "--list", "-", stdin=stdin)
        assert done.communicate()[0] == wanted
    assert cnn("predict", "--list", "no.txt").code == 66


def test_an_image_from_stdin(cnn: Cnn, trained: Path, digits: Path) -> None:
    (wanted,) = map(json.loads, lines(cnn("predict", "digits/2/2.png", "--json").out))
    with open("digits/2/2.png", "rb") as stdin:
        out, _ = start("predict", "-", "--json", stdin=stdin).communicate()
    assert json.loads(out) == wanted | {"path": "-"}
    done = start("predict", "-", "--json", stdin=subprocess.DEVNULL)
    assert json.loads(done.communicate()[0]) == {"path": "-", "error": "an empty file"}
    assert done.returncode == 65
    closed = subprocess.run(f"{shlex.quote(sys.executable)} -m cnncli predict - --json <&-", shell=True, stdout=-1)
    assert json.loads(closed.stdout) == {"path": "-", "error": "standard input is closed"}
    assert closed.returncode == 65


def test_outputs_that_are_no_numbers_are_no_answer(cnn: Cnn, trained: Path, digits: Path) -> None:
    stored = load(trained / "best.npz")
    arrays = {name: np.full_like(values, np.nan) for name, values in stored.arrays.items() if values.dtype.kind == "f"}
    save(Path("ended.npz"), {**stored.arrays, **arrays}, stored.meta)
    done = cnn("predict", "digits/0/0.png", "--checkpoint", "ended.npz", "--json")
    assert done.code == 65
    assert json.loads(done.out) == {
        "path": "digits/0/0.png",
        "error": "the network's outputs for this image are not finite numbers",
    }


def test_names_that_are_no_text(cnn: Cnn, trained: Path, digits: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    Path(name).write_bytes(Path("digits/0/0.png").read_bytes())
    assert cnn("predict", name, "--csv").out.splitlines()[1].startswith(name)
    assert cnn("predict", name).out.startswith("caf?.png")
    assert json.loads(cnn("predict", name, "--json").out)["path"] == name


def test_batches_are_seamless(cnn: Cnn, trained: Path, digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cnn("predict", "digits", "no.png", "digits", "--csv").out
    monkeypatch.setattr(Model, "at_once", 4)
    assert cnn("predict", "digits", "no.png", "digits", "--csv").out == whole


def test_a_list_that_comes_slowly_is_answered_line_by_line(trained: Path, digits: Path) -> None:
    with start("predict", "--list", "-", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for path in ("digits/0/0.png", "none.png", "digits/1/1.png"):
            process.stdin.write(f"{path}\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith(f"{path} ")  # while the list is not at its end
        process.stdin.close()
        assert process.wait() == 65


def test_a_consumer_that_has_enough(trained: Path, digits: Path) -> None:
    """An endless list, of which one line is wanted."""
    process = subprocess.Popen(
        f"yes digits/0/0.png | {sys.executable} -m cnncli predict --list - | head -n 1",
        shell=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    out, err = process.communicate(timeout=60)
    assert out.startswith("digits/0/0.png")
    assert "Traceback" not in err


@pytest.mark.parametrize("enough", [False, True])
def test_the_command_ends_while_it_waits_for_the_list(trained: Path, digits: Path, enough: bool) -> None:
    """By an interrupt, or because nobody reads on; the list stays open."""
    heard = (
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)"  # where tests run in the background
    )
    with start("predict", "--list", "-", script=heard, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("digits/0/0.png\n")
        process.stdin.flush()
        assert process.stdout.readline()
        if enough:
            process.stdout.close()
            process.stdin.write("digits/0/0.png\n")
            process.stdin.flush()
        else:
            process.send_signal(signal.SIGINT)
        assert process.wait(60) == (0 if enough else 130)
        assert process.stderr is not None
        assert process.stderr.read().splitlines()[1:] == ([] if enough else ["interrupted"])


def test_lines_that_are_no_paths(cnn: Cnn, trained: Path, digits: Path) -> None:
    Path("list.txt").write_bytes(b"digits\n" + b"x" * 200_000 + b"\n\xff.png\ndigits/0/0.png")
    done = cnn("predict", "--list", "list.txt", "--csv")
    rows = list(csv.reader(io.StringIO(done.out)))[1:]
    assert done.code == 65
    assert [bool(row[-1]) for row in rows] == [True, True, True, False]
    assert rows[0][-1] == "is a folder"


def test_unsure_answers_are_rejected(cnn: Cnn, trained: Path, digits: Path) -> None:
    sure = [row["probability"] for row in csv.DictReader(lines(cnn("predict", "digits", "--csv").out))]
    limit = sorted(map(float, sure))[7]
    options = ("predict", "digits", "--reject-below", str(limit))
    rows = list(csv.DictReader(lines(cnn(*options, "--csv").out)))
    assert [not row["label"] for row in rows] == [float(row["probability"]) < limit for row in rows]
    assert sum(not row["label"] for row in rows) == 7
    values = list(map(json.loads, lines(cnn(*options, "--json").out)))
    assert [value["label"] is None for value in values] == [not row["label"] for row in rows]
    assert [value.get("rejected", False) for value in values] == [not row["label"] for row in rows]
    assert values[0]["top"][0]["label"] in "012"
    assert sum(line.endswith("rejected") for line in lines(cnn(*options).out)) == 7


def test_views_are_averaged(cnn: Cnn, trained: Path, digits: Path) -> None:
    """Over the image and its mirror image, computed alone."""
    image = Image.open("digits/1/1.png")
    image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save("mirrored.png")
    rows = list(csv.DictReader(lines(cnn("predict", "digits/1/1.png", "mirrored.png", "--csv").out)))
    (both,) = csv.DictReader(lines(cnn("predict", "digits/1/1.png", "--tta", "flip", "--csv").out))
    for name in "012":
        mean = (float(rows[0][name]) + float(rows[1][name])) / 2
        assert float(both[name]) == pytest.approx(mean, rel=1e-6)
    done = cnn("predict", "mirrored.png", "--tta", "flop")
    assert done.code == 2
    assert "did you mean 'flip'?" in done.err


def test_scores_of_a_squared_error_are_no_percentages(cnn: Cnn, digits: Path) -> None:
    assert cnn("train", "tiny.yaml", "loss=mean_squared_error", "train.epochs=1").code == 0
    done = cnn("predict", "digits/0/0.png")
    assert done.code == 0
    assert "%" not in done.out
    assert "are no probabilities" in cnn("predict", "digits/0/0.png", "--reject-below", "0.5").err


def test_another_size_and_colour(cnn: Cnn, trained: Path) -> None:
    Image.new("RGB", (50, 40), (200, 10, 10)).save("photo.jpg")
    assert cnn("predict", "photo.jpg").code == 0


@pytest.mark.parametrize(
    "args", [[], ["a.png", "--json", "--csv"], ["-", "--list", "-"], ["a.png", "--top-k", "0"], ["a.png", "--nope"]]
)
def test_usage(cnn: Cnn, args: list[str]) -> None:
    done = cnn("predict", *args)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: cnn predict")


def test_csv_quotes_what_needs_it() -> None:
    assert csv_row(["a,b", 'c"d', "e\nf\r", np.float32(0.1), ""]) == '"a,b","c""d","e\nf\r",0.1,'
