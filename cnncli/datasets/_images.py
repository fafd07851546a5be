"""From an image file to pixels, in one way for training, evaluation and prediction.

PNG, JPEG, BMP, GIF, WebP and PPM/PGM/PBM are read; an animation gives its first frame. The steps, in this order:

1. decode; more than 25 million pixels or 64 MB of file, damage of any kind and truncated files are errors;
2. rotate as EXIF says;
3. palettes become colours; an alpha channel is composited on black;
4. grey stays grey (1 channel), anything else becomes RGB (3 channels); grey of 16 bits stays 16 bits;
5. where asked, to another number of channels: RGB to grey as ITU-R 601 has it, grey to RGB by repetition;
6. where asked, to another size, as `cnncli.datasets._fit` has it.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import TypeVar

import numpy as np
import PIL.WebPImagePlugin  # noqa: F401  the only format that Pillow would otherwise load all its plugins for
from PIL import Image, UnidentifiedImageError

from cnncli.datasets._files import failure, open_regular, shown
from cnncli.datasets._fit import Mode, Size, fit
from cnncli.errors import CnnError, DataError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM")
KINDS = "PNG, JPEG, BMP, GIF, WebP and PPM/PGM"
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".pbm", ".pnm"}
)
MAX_PIXELS = 25_000_000
MAX_BYTES = 64_000_000

Content = str | bytes | CnnError  # of a file: its path, its bytes, or why it has none
Found = TypeVar("Found")

# For the whole process on purpose: a plugin may allocate its canvas before the caller can look at the size.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

_GREY = ("1", "L", "LA", "La")
_DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_image(
    source: str | Path | bytes,
    size: Size | None = None,
    channels: int | None = None,
    name: str | None = None,
    mode: Mode = "resize",
) -> np.ndarray:
    """Decode one image; the module's docstring lists the steps.

    Parameters
    ----------
    source : str, Path or bytes
        A file's path, or a file's content.
    size : (height, width), optional
        Resize to this; the image's own size otherwise.
    channels : {1, 3}, optional
        Grey or RGB; the image's own number otherwise.
    name : str, optional
        What error messages call the image; the path otherwise.
    mode : {"resize", "crop", "pad", "letterbox"}
        How an image of another size is brought to `size`.

    Returns
    -------
    ndarray of uint8 or uint16, shape (height, width, channels)

    Raises
    ------
    MissingError
        There is no such file.
    DataError
        The file is no image, damaged, too large or not a regular file.
    """
    with _opened(source, name, whole=True) as image:
        grey = _is_grey(image)
        image.load()
        turn = _UPRIGHT.get(_orientation(image))
        pixels = _pixels(image if turn is None else image.transpose(turn), grey)
    return fit(pixels, size, channels, mode)


def probe_image(source: str | Path | bytes, name: str | None = None) -> tuple[Size, int]:
    """Size (after rotation) and number of channels that `decode_image` will give, from the file's header."""
    with _opened(source, name) as image:
        width, height = image.size
        lying = _orientation(image) in (5, 6, 7, 8)
        return (width, height) if lying else (height, width), 1 if _is_grey(image) else 3


class _OwnWarnings:
    """Pillow's warnings are ignored while images are read, but the one about bombs is an error.

    The filters of `warnings` belong to the whole process: the first thread that reads sets them, and the last one
    that does puts the old ones back.
    """

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._before.__exit__(None, None, None)


_own_warnings = _OwnWarnings()


def look_at_each(look: Callable[..., Found], files: Iterable[tuple[str, Content]]) -> list[Found | CnnError]:
    """What `look`, such as `decode_image`, finds in files of these names, or what is wrong with them.

    Warnings are seen to once for all, which takes a tenth of the time that a small image does.
    """
    found: list[Found | CnnError] = []
    with _own_warnings():
        for name, content in files:
            try:
                if isinstance(content, CnnError):
                    raise content
                found.append(look(content, name=name))
            except CnnError as error:
                found.append(error)
    return found


@contextmanager
def _opened(source: str | Path | bytes, name: str | None = None, whole: bool = False) -> Iterator[Image.Image]:
    """An image with its header read; whatever goes wrong, also while it is used, raises a CnnError of one line.

    If the `whole` file will be wanted it is read in one go: between the many small reads of a decoder other threads
    would take turns, which takes longer than decoding a small image.
    """
    path = "image" if isinstance(source, bytes) else os.fspath(source)
    label = shown(name or path)
    try:
        with (
            _own_warnings(),
            BytesIO(source) if isinstance(source, bytes) else open_regular(source) as file,
        ):
            if (length := file.seek(0, os.SEEK_END)) > MAX_BYTES:
                raise DataError(f"{label}: {length} bytes, more than the {MAX_BYTES} allowed for one image")
            file.seek(0)
            stream = BytesIO(file.read(length)) if whole else file
            head = stream.read(512)
            try:
                opened = Image.open(stream, formats=FORMATS)
            except UnidentifiedImageError:
                raise DataError(f"{label}: {_what_else(head)}") from None
            with opened as image:
                yield image
    except CnnError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise DataError(f"{label}: more than the {MAX_PIXELS} pixels allowed for one image") from None
    except OSError as error:
        if error.errno is not None:
            raise failure(label, error) from None
        raise DataError(f"{label}: cannot be decoded: {_reason(error)}") from None
    # Pillow's decoders raise what their parsing stumbled over: ValueError, SyntaxError, struct.error, MemoryError, ...
    except Exception as error:
        raise DataError(f"{label}: cannot be decoded: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return shown(" ".join(str(error).split()))[:200] or type(error).__name__


def _what_else(head: bytes) -> str:
    """What a file is that no decoder knows, from its first bytes."""
    if not head:
        return "an empty file"
    if head.startswith(b"version https://git-lfs"):
        return "not an image but a Git LFS pointer (`git lfs pull` fetches the image)"
    # the last bytes may be half a character of UTF-8
    text = head.decode("utf-8", "replace").rstrip("\ufffd")
    if text and "\ufffd" not in text and all(c.isprintable() or c.isspace() for c in text):
        return "not an image (looks like text)"
    return f"not an image, or damaged at its start; {KINDS} are read"


def _is_grey(image: Image.Image) -> bool:
    if image.mode == "P" and image.palette is not None:
        layout, table = image.palette.getdata()
        step = len(layout)
        return step >= 3 and table[0::step] == table[1::step] == table[2::step]
    return image.mode in _GREY or image.mode in _DEEP


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; a damaged EXIF block says nothing about it."""
    try:
        # not image.getexif(): for PNG that decodes the whole image
        return int(Image.Image.getexif(image).get(_ORIENTATION, 1))
    except Exception:
        return 1


def _pixels(image: Image.Image, grey: bool) -> np.ndarray:
    """Pixels of shape (height, width, 1 or 3): uint16 for deep grey, uint8 otherwise."""
    if image.mode in _DEEP:
        return np.clip(np.asarray(image), 0, 65535).astype(np.uint16)[:, :, np.newaxis]
    if image.mode == "F":
        raise ValueError("floating-point images are not read")
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image.convert("RGBA"))
    mode = "L" if grey else "RGB"
    pixels = np.array(image if image.mode == mode else image.convert(mode))
    return pixels[:, :, np.newaxis] if grey else pixels
