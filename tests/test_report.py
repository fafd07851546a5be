"""The report of a run: what it says, that it takes nothing for markup, and how it looks in a browser."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnncli import cli
from cnncli.checkpoint import load, save
from cnncli.reporting import report

HOSTILE = '<script>alert(1)</script> & "x"'
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CONFIG = """
data: {train: photos/train, validation: 0.25}
model:
  - conv2d: {out_channels: 4, kernel_size: 3}
  - relu
  - conv2d: {out_channels: 5, kernel_size: 3}
  - tanh
  - linear: {out_features: CLASSES}
train: {epochs: 3, batch_size: 16}
"""


def made(folder: Path, classes: list[str]) -> Path:
    """A run on noise, which it cannot learn; the page it wrote."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 8), ("test", 4)):
        for k, name in enumerate(classes):
            path = folder / "photos" / part / name.replace("/", "∕")
            path.mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 200, (12, 14, 3), np.uint8)
                pixels[k % 12] = 255
                Image.fromarray(pixels).save(path / f"{i}.png")
    (folder / "c.yaml").write_text(CONFIG.replace("CLASSES", str(len(classes))))
    assert cli.run(["train", str(folder / "c.yaml"), "--run", str(folder / "run")]) == 0
    return folder / "run" / "report.html"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run whose classes have hostile and long names."""
    return made(tmp_path_factory.mktemp("report"), ["a", HOSTILE, "x" * 70])


class Outline(HTMLParser):
    """Elements of a page, and the text that is read."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]


def test_it_is_whole_and_needs_nothing_else(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    outline = Outline(text)
    assert [attrs["id"] for attrs in outline.all("section")] == [
        "learning", "classes", "confusion", "calibration", "mistakes", "inside", "health", "set-up",
    ]  # fmt: skip
    assert not outline.all("script")
    assert not outline.all("link")
    addresses = re.findall(r"(?:https?:)?//[\w.]+[^\s\"'<>]*", re.sub(r"data:[^\"]*|xmlns[^ >]*", "", text))
    assert not [address for address in addresses if not address.startswith("//www.w3.org")]
    for attrs in outline.all("img"):
        assert str(attrs["src"]).startswith("data:image/png;base64,")
        assert attrs["alt"]
    assert all(attrs.get("scope") for attrs in outline.all("th"))
    links = {str(attrs["href"]) for attrs in outline.all("a")}
    assert links == {"#content", *(f"#{attrs['id']}" for attrs in outline.all("section"))}
    assert outline.all("html")[0]["lang"] == "en"
    headings = [int(tag[1]) for tag, _ in outline.elements if re.fullmatch(r"h\d", tag)]
    assert headings[0] == 1
    assert all(second - first <= 1 for first, second in pairwise(headings))


def test_names_are_text(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert html.escape(HOSTILE.replace("/", "∕"), quote=False).split("&quot;")[0][:40] in text.replace("&#34;", '"')
    assert "alert(1)" in Outline(text).text


def test_its_numbers_are_those_of_eval(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert cli.run(["eval", str(page.parent), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    text = " ".join(Outline(page.read_text(encoding="utf-8")).text.split())
    assert f"{100 * values['accuracy']:.1f} %of 12 images" in text
    assert f"{100 * values['ece']:.1f} %between probability and success" in text
    for row in values["mistakes"]:
        assert f"labelled {row['label']}, taken for {row['predicted']}" in text
    assert "conv2d_2" in text
    assert "train: {epochs: 3" in text or "epochs: 3" in text


def test_the_same_again_by_command(page: Path, tmp_path: Path) -> None:
    assert cli.run(["report", str(page.parent), "-o", str(tmp_path / "again.html")]) == 0
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_it_tells_of_all_epochs_not_of_those_up_to_the_best(page: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(page.parent, run)
    best = load(run / "best.npz")
    progress = best.meta["progress"]
    progress["history"], progress["best_epoch"] = progress["history"][:1], 1
    save(run / "best.npz", best.arrays, best.meta)
    assert cli.run(["report", str(run)]) == 0
    assert "trained for 3 epochs" in (run / "report.html").read_text()
    for broken in (b"", None):  # then what the best one knows
        (run / "last.npz").write_bytes(broken) if broken is not None else (run / "last.npz").unlink()
        assert cli.run(["report", str(run)]) == 0
        assert "trained for 1 epoch." in (run / "report.html").read_text()


def test_many_classes_and_no_test_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = made(tmp_path, [f"class number {k}" for k in range(40)])
    text = page.read_text(encoding="utf-8")
    assert "does not fit a page" in text
    shutil.rmtree(tmp_path / "photos/test")
    capsys.readouterr()
    assert cli.run(["report", str(page.parent)]) == 0
    assert "no test images: " in capsys.readouterr().err
    assert "80 images of the validation images" in " ".join(Outline(page.read_text(encoding="utf-8")).text.split())
    shutil.rmtree(tmp_path / "photos")
    assert cli.run(["report", str(page.parent)]) == 0
    assert [attrs["id"] for attrs in Outline(page.read_text(encoding="utf-8")).all("section")] == [
        "learning", "inside", "health", "set-up",
    ]  # fmt: skip


def test_of_an_untrained_network_and_of_a_checkpoint_alone(page: Path, tmp_path: Path) -> None:
    config = page.parent.parent / "c.yaml"
    assert cli.run(["train", str(config), "train.epochs=0", "--run", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run/report.html").exists()
    shutil.copy(page.parent / "best.npz", tmp_path / "alone.npz")
    assert cli.run(["report", str(tmp_path / "alone.npz"), "-o", str(tmp_path / "alone.html")]) == 0
    assert "alone" in (tmp_path / "alone.html").read_text(encoding="utf-8")


def test_without_the_extra(page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(report, "PACKAGES", ("jinja2", "no_such_package"))
    assert cli.run(["report", str(page.parent)]) == 2
    assert capsys.readouterr().err.endswith("reports need jinja2 and matplotlib; pip install 'cnncli[report]'\n")


def test_a_failure_does_not_fail_the_training(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> str:
        raise RuntimeError("no ink")

    monkeypatch.setattr(report, "report", fail)
    config = page.parent.parent / "c.yaml"
    assert cli.run(["train", str(config), "train.epochs=1", "--run", str(tmp_path / "run")]) == 0
    assert "warning: no report: no ink" in capsys.readouterr().err


# --- in a browser

MEASURE = """<script>
const errors = [];
addEventListener("error", (e) => errors.push(String(e.message || (e.target && e.target.src))), true);
addEventListener("load", () => setTimeout(() => parent.postMessage({
  errors, width: innerWidth, needed: document.documentElement.scrollWidth, height: document.body.scrollHeight,
  pictures: [...document.images].map((i) => i.complete && i.naturalWidth > 0),
  charts: [...document.querySelectorAll("svg")].map((s) => s.getBoundingClientRect().width > 50),
  fetched: performance.getEntriesByType("resource").map((r) => r.name).filter((n) => !n.startsWith("data:")),
  dark: matchMedia("(prefers-color-scheme: dark)").matches, page: getComputedStyle(document.body).backgroundColor,
}, "*"), 50));
</script>"""


def in_browser(page: Path, folder: Path, width: int, dark: bool) -> dict[str, Any]:
    """What a browser makes of the page in a window of this width."""
    assert CHROMIUM
    text = page.read_text(encoding="utf-8").replace("<head>", f"<head>{MEASURE}", 1)
    (folder / "measured.html").write_text(text, encoding="utf-8")
    (folder / "window.html").write_text(
        f'<iframe src="measured.html" style="width:{width}px;height:900px;border:0"></iframe><pre id="out"></pre>'
        '<script>addEventListener("message", (e) => { out.textContent = JSON.stringify(e.data); });</script>',
        encoding="utf-8",
    )
    options = ["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]
    done = subprocess.run(
        [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", *options,
         "--virtual-time-budget=5000", "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom",
         f"file://{folder / 'window.html'}"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    found = re.search(r'<pre id="out">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr
    assert found[1], done.stderr
    values: dict[str, Any] = json.loads(html.unescape(found[1]))
    return values


@pytest.mark.skipif(not CHROMIUM and not os.environ.get("CI"), reason="needs Chromium")
@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("dark", [False, True])
def test_in_chromium(page: Path, tmp_path: Path, width: int, dark: bool) -> None:
    seen = in_browser(page, tmp_path, width, dark)
    assert seen["errors"] == []
    assert seen["fetched"] == []
    assert seen["width"] == width
    assert seen["needed"] <= width
    assert len(seen["pictures"]) >= 6
    assert all(seen["pictures"])
    assert len(seen["charts"]) >= 4
    assert all(seen["charts"])
    assert seen["dark"] == dark
    assert seen["page"] == ("rgb(22, 24, 27)" if dark else "rgb(251, 251, 250)")
