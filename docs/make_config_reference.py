"""Writes docs/config.md and docs/config.schema.json from the declarations of the options.

Run it as ``python docs/make_config_reference.py``.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path

from cnncli import registry
from cnncli.describe import describe
from cnncli.schema import config_schema
from cnncli.sections import Clip, DataSpec, EarlyStopping, Fold, Group, Image, Normalize, TrainSpec

HEAD = """# Config reference

Made from the program's own declarations by `docs/make_config_reference.py`; do not edit.

One YAML file has the sections `data`, `blocks`, `model`, `loss`, `optimizer`, `schedule` and `train`; only `model` must
be there.
`KEY=VALUE` on the command line overrides any of it: `train.epochs=3 optimizer.sgd.lr=0.1 model.c3.out_channels=8`.

A layer is `TYPE`, or `TYPE: {options}`, in the list `model`, with an optional `name:` and, where the input is not the
layer before, `inputs:`; `frozen: true` keeps it from being trained and lets it work as in evaluation: a `batch_norm2d`
uses the running averages that it has, and leaves them and its weights alone. `lr_factor: 0.1` and `decay_factor: 0`
beside a layer are factors on its learning rate and weight decay; `train.freeze` and `train.groups` say the same by name
or pattern. A layer without a name is called by its type and running number (`conv2d_1`). `share: conv2d_1` works with
the weights of another layer, of the same type and shapes: they are there once, and get the gradients of both.

`repeat: N` makes a chain of N of an entry, `when: false` leaves it out, so that who reads it gets its input.

`blocks` names lists of layers, with arguments and their defaults (`required`: none), that `model` uses like layers:
`blocks: {double: {arguments: {channels: required}, layers: [conv2d: {out_channels: $channels, kernel_size: 3}, relu]}}`
and then `- double: {channels: 16}`. In a block `input` is what the block gets, other names are its own, and its last
layer is what it gives. A text with a `$` in it is an argument, or a calculation with arguments: `+ - * /`, comparisons,
`and`, `or`, `not`, parentheses; a bare word is a text. Its layers are called `double_1.conv2d_1` outside.

Losses, optimizers and schedules are written the same way: `optimizer: {sgd: {lr: 0.1}}`. A pair is one whole number for
rows and columns, or a list of two.
"""


AUGMENT = """## data.augment: augmentations

Random changes of the training images, anew in every epoch; images for validation, testing and prediction stay as they
are. A list such as `augment: [{shift: 2}, {rotate: 10}, {scale: 0.1}]`: an entry is `NAME: VALUE`, where the value is
that of the first option, `NAME: {options}`, or, where no option is required, `NAME`. `cnn show augment CONFIG` draws
what comes of it.

The order of the changes is: `colour`; geometry (`shift`, `crop`, `rotate`, `scale`, `shear`, `flip`, in the order of
the list, as one map, with `elastic` in one bilinear interpolation); `blur`; light (`brightness`, `contrast`);
`noise`; `cutout`; `mixup` and `cutmix`. All of them work before `data.normalize`, on pixels from 0 (black) to 1
(white). Where a moved image does not reach, `data.fill` says what is seen: by default, `auto`, the median of the
outermost rows and columns of all training images (black for white digits on black, white for ink on paper; a colour
for each channel), so that the frame does not show. `edge` repeats the nearest pixel, which suits photographs (and
leaves the holes of `cutout` to `auto`); a number gives a shade.

What happens to an image depends on `train.seed`, the epoch and its place in the training set only: not on threads,
batches, or whether the run was resumed. `mixup` and `cutmix` mix each image with another one of its batch. Its loss
is then that of both classes, each by its share, whatever the loss is; in `train_accuracy` it counts as of the class
that it shows most of. Validation and test are as ever.
"""


TRAIN = {"clip": Clip, "early_stopping": EarlyStopping, "groups": Group}
PACKAGES = {"layers": "model: layers", "losses": "loss", "optimizers": "optimizer", "schedules": "schedule"}


def section(title: str, cls: type, level: int = 3) -> str:
    """One heading, what the class says of itself, and a table of its options."""
    text = inspect.cleandoc(cls.__doc__ or "")
    lines = [f"{'#' * level} {title}", "", text.split("\n\nReferences\n")[0], ""]
    rows = describe(cls)
    if rows:
        lines += ["| option | type | default | |", "|---|---|---|---|"]
        for row in rows:
            limits = f"; {row.constraint}" if row.constraint else ""
            cells = [f"`{row.name}`", row.type + limits, row.default or "required", row.doc]
            lines.append(f"| {' | '.join(map(_cell, cells))} |")
        lines.append("")
    return "\n".join(lines)


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|")


def reference() -> str:
    """The whole page."""
    parts = [HEAD, "## data\n", section("data", DataSpec), section("data.image", Image)]
    parts += [
        section("data.normalize", Normalize),
        section("data.fold", Fold),
        "## train\n",
        section("train", TrainSpec),
    ]
    parts += [section(f"train.{name}", cls) for name, cls in TRAIN.items()]
    parts.append(AUGMENT)
    parts += [section(name, registry.get("augmentations", name)) for name in registry.names("augmentations")]
    for package, title in PACKAGES.items():
        parts.append(f"## {title}\n")
        parts += [section(name, registry.get(package, name)) for name in registry.names(package)]
    return "\n".join(parts)


if __name__ == "__main__":
    Path(__file__).with_name("config.md").write_text(reference(), encoding="utf-8")
    schema = json.dumps(config_schema(), indent=1, ensure_ascii=False)
    Path(__file__).with_name("config.schema.json").write_text(f"{schema}\n", encoding="utf-8")
