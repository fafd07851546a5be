"""Tensors in files of other programs, by name: safetensors, ``.npz`` and ONNX."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cnncli.checkpoint import MAX_ARRAY_BYTES
from cnncli.errors import DataError, MissingError
from cnncli.interchange import onnx_model
from cnncli.interchange.extras import need

SUFFIXES = (".safetensors", ".npz", ".onnx")


def to_safetensors(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """A file with these tensors."""
    module = need("safetensors.numpy", "safetensors")
    content: bytes = module.save({name: np.ascontiguousarray(a) for name, a in arrays.items()}, dict(metadata))
    return content


def read(path: Path) -> dict[str, np.ndarray]:
    """All tensors of a file, in its order.

    Raises
    ------
    MissingError
        There is no such file.
    DataError
        It is of another kind, damaged, or holds what are no numbers.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: weights are read from {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise MissingError(f"{path}: no such file")
    readers = {".safetensors": _safetensors, ".npz": _npz, ".onnx": onnx_model.read}
    found = readers[suffix](path)
    for name, array in found.items():
        if array.dtype.kind not in "fiub":
            raise DataError(f"{path}: {name} is of type {array.dtype}, which is no number")
    return found


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    module = need("safetensors.numpy", "safetensors")
    try:
        found: dict[str, np.ndarray] = module.load_file(path)
        return found
    except OSError:
        raise
    except Exception as error:  # the package's own, and KeyError for types that NumPy lacks, such as bfloat16
        reason = f"type {error} is not read" if isinstance(error, KeyError) else " ".join(str(error).split())[:100]
        raise DataError(f"{path}: cannot be read as safetensors: {reason}") from None


def _npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_ARRAY_BYTES:
                raise DataError(f"{path}: more than 4 GiB of arrays")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, DataError):
        raise
    except Exception as error:  # NumPy's reader raises what its parsing stumbled over
        raise DataError(f"{path}: cannot be read as .npz: {' '.join(str(error).split())[:100]}") from None
