"""From a name in a config to the class that does it: the file's name is the name, so there is no list to edit.

A module ``layers/conv2d.py`` defines one public subclass of `layers.base.Layer` and is thereby the layer ``conv2d``;
the same holds for losses, optimizers, schedules, datasets and augmentations. Only the module that is asked for is
imported.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache

BASES = {
    "layers": "Layer",
    "losses": "Loss",
    "optimizers": "Optimizer",
    "schedules": "Schedule",
    "datasets": "Dataset",
    "augmentations": "Augmentation",
}


@cache
def names(package: str) -> tuple[str, ...]:
    """All entries of a sub-package, in alphabetical order; nothing is imported for it."""
    folder = importlib.import_module(f"cnncli.{package}").__path__
    found = (module.name for module in pkgutil.iter_modules(folder))
    return tuple(sorted(name for name in found if name != "base" and not name.startswith("_")))


@cache
def get(package: str, name: str) -> type:
    """The class behind a name.

    Raises
    ------
    KeyError
        If the sub-package has no such entry.
    """
    if name not in names(package):
        raise KeyError(name)
    base = getattr(importlib.import_module(f"cnncli.{package}.base"), BASES[package])
    module = importlib.import_module(f"cnncli.{package}.{name}")
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, base)
        and value.__module__ == module.__name__
        and not value.__name__.startswith("_")
    ]
    if len(classes) != 1:
        raise TypeError(f"{module.__name__} must define exactly one public {base.__name__}, it has {len(classes)}")
    return classes[0]


def name_of(entry: object) -> str:
    """The name under which the class of this object is found."""
    return type(entry).__module__.rpartition(".")[2]


# What other tools call what is called otherwise here.
SYNONYMS = {
    "crossentropy": "softmax_cross_entropy",
    "categorical_crossentropy": "softmax_cross_entropy",
    "nll": "softmax_cross_entropy",
    "mse": "mean_squared_error",
    "dense": "linear",
    "fc": "linear",
    "fully_connected": "linear",
    "inner_product": "linear",
    "convolution": "conv2d",
    "lrn": "brightness_norm2d",
    "filters": "out_channels",
    "num_output": "out_channels",
    "units": "out_features",
    "neurons": "out_features",
    "learning_rate": "lr",
    "base_lr": "lr",
    "decay": "weight_decay",
    "rate": "p",
    "xavier": "glorot",
    "kaiming": "he",
    "msra": "he",
}


def closest(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that was probably meant."""
    allowed = list(allowed)
    if (known := SYNONYMS.get(name.lower())) in allowed:
        return known
    close = difflib.get_close_matches(name.lower(), allowed, n=1)
    close += [other for other in allowed if len(name) > 2 and name.lower() in other]
    return close[0] if close else None


def suggest(name: str, allowed: Iterable[str]) -> str:
    """The end of a message about an unknown name: the one that was probably meant, or else all there are."""
    allowed = list(allowed)
    if close := closest(name, allowed):
        return f"did you mean {close!r}?"
    return f"allowed: {', '.join(allowed[:30]) or 'none'}{', ...' if len(allowed) > 30 else ''}"
