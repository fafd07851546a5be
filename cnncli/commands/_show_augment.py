"""``cnn show augment``: training images as augmentation makes them."""

from __future__ import annotations

from pathlib import Path

import click

from cnncli.commands import _options, _pictures


@click.command("augment")
@click.argument("config", type=click.Path())
@_options.overrides
@click.option("--images", type=click.IntRange(min=1), default=8, show_default=True, metavar="N", help="Rows.")
@click.option("--epochs", type=click.IntRange(min=1), default=10, show_default=True, metavar="N", help="Columns.")
@_pictures.output("augment.png")
@_options.as_json
def command(config: str, overrides: tuple[str, ...], images: int, epochs: int, output: Path, as_json: bool) -> None:
    """Training images of CONFIG as the network will see them: a row for each image, a column for each epoch."""
    import numpy as np

    from cnncli.errors import SpecError
    from cnncli.experiment import augmenter
    from cnncli.fields import plain, show
    from cnncli.parts import Parts
    from cnncli.pictures import epochs_section
    from cnncli.spec import load

    spec = load(config, overrides)
    if not spec.data.augment:
        raise SpecError(f"{config} changes no images: add `data: {{augment: [{{shift: 2}}]}}`, or say data.augment=...")
    train, _ = Parts.open(spec.data).load(spec.train.seed)
    chosen = (
        np.linspace(0, len(train) - 1, min(images, len(train))).round().astype(np.int64)
    )  # of all classes, if sorted
    augmented = augmenter(spec, train.images)
    seen = np.stack([augmented.pictures(epoch, chosen) for epoch in range(epochs)], axis=1)
    names = [train.classes[label] for label in train.labels[chosen]]
    listed = ", ".join(show(plain(each)) for each in spec.data.augment)
    title = f"{len(chosen)} of {len(train):,} training images in {epochs} epochs: {listed}"
    section = epochs_section(title, augmented.originals(chosen), seen, names)
    _pictures.save_sheet([section], output, "--images and --epochs say how many")
    facts = {"images": chosen.tolist(), "epochs": epochs, "augment": plain(spec.data.augment), "fill": spec.data.fill}
    _pictures.tell(facts, title, output, as_json)
