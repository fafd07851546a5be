"""What a network looks at: kernels, feature maps, gradients of its input and its maps, occlusion; as arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image

from cnncli import random
from cnncli.errors import SpecError
from cnncli.evaluation import predict
from cnncli.graph import Graph
from cnncli.layers._copy import Copy
from cnncli.layers.base import Layer
from cnncli.model import BATCH, Model
from cnncli.network import Network
from cnncli.probe import Probe, check_layer, images_of


def kernels(graph: Graph, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights that are pictures, (output maps, input maps, rows, columns), by layer.

    Those of a convolution, and those of a linear layer that sees maps.
    """
    found = {}
    for node in graph.nodes:
        weight = arrays.get(f"{node.name}.weight")
        shape = graph.shapes[node.inputs[0]]
        if weight is not None and weight.ndim == 2 and shape[1:] != (1, 1):
            weight = weight.reshape(-1, *shape)
        if weight is not None and weight.ndim == 4:
            found[node.name] = weight
    return found


def preprocessed(model: Model, image: np.ndarray) -> np.ndarray:
    """One decoded image as the network sees it, (1, channels, rows, columns)."""
    network = model.network(1)
    model.preprocessing.fill(network, image[np.newaxis], np.arange(1))
    return images_of(network.x, 1)


def feature_maps(model: Model, image: np.ndarray) -> dict[str, np.ndarray]:
    """The output of every layer for one decoded image, (channels, rows, columns), in order."""
    network = Network(model.graph, 1, training=False, threads=model.threads, fused=False)
    network.load(model.arrays)
    model.preprocessing.fill(network, image[np.newaxis], np.arange(1))
    network.set_batch(1)
    found = {}
    for node in network.graph.nodes:
        b = network.buffers(node.name)
        node.layer.forward(b, False)
        if not isinstance(node.layer, Copy):
            found[node.name] = images_of(b.y, 1)[0]  # at once: a later layer may work in place
    return found


def saliency(model: Model, image: np.ndarray, label: int) -> np.ndarray:
    """How much each pixel of one decoded image counts: the gradient of a class's output before the loss.

    Returns
    -------
    ndarray, shape (rows, columns)
        The largest magnitude of the channels, per unit of brightness (black is 0, white 1).

    References
    ----------
    Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks", ICLR workshop 2014.
    """
    return _magnitude(model, _gradients(model, preprocessed(model, image), label)[0])


def smoothgrad(model: Model, image: np.ndarray, label: int, samples: int, noise: float) -> np.ndarray:
    """`saliency` of the mean gradient over noisy copies of one decoded image.

    Parameters
    ----------
    model : Model
    image : ndarray, shape (rows, columns, channels)
    label : int
    samples : int
        Copies.
    noise : float
        Standard deviation of the noise, as a share of the range of the image's values.

    Returns
    -------
    ndarray, shape (rows, columns)

    References
    ----------
    Smilkov, Thorat, Kim, Viegas and Wattenberg, "SmoothGrad: removing noise by adding noise", 2017, section 2.
    """
    x = preprocessed(model, image)[0]
    deviation, total = noise * (x.max() - x.min()), np.zeros(x.shape)
    for first in range(0, samples, BATCH):
        count = min(BATCH, samples - first)
        drawn = random.normal(first, random.stream("smoothgrad"), count * x.size).reshape(count, *x.shape)
        total += _gradients(model, x + deviation * drawn, label).sum(axis=0)
    return _magnitude(model, total / samples)


def grad_cam(model: Model, image: np.ndarray, label: int, layer: str) -> np.ndarray:
    """Where a layer sees what speaks for a class: its maps, weighed by the mean gradients that the class sends them.

    a_k = mean over the map of dy / dA_k, and max(0, sum_k a_k A_k), brought to the size of the image.

    Parameters
    ----------
    model : Model
    image : ndarray, shape (rows, columns, channels)
    label : int
    layer : str
        See `last_maps`.

    Returns
    -------
    ndarray, shape (rows, columns)

    Raises
    ------
    SpecError
        There is no such layer, or it has no maps.

    References
    ----------
    Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra, "Grad-CAM", ICCV 2017, equations 1 and 2.
    """
    check_layer(model.graph, layer)
    if model.graph.shapes[layer][1:] == (1, 1):
        raise SpecError(f"layer {layer!r} has no maps, only single numbers")
    maps, gradient = _at_layer(model, image, label, layer)
    seen = np.maximum((gradient.mean(axis=(1, 2), keepdims=True) * maps).sum(axis=0), 0)
    picture = Image.fromarray(seen.astype(np.float32)).resize(image.shape[1::-1], Image.Resampling.BILINEAR)
    return np.asarray(picture, np.float64)


def last_maps(graph: Graph) -> str:
    """The last layer that has maps of more than one sample; SpecError where there is none."""
    for node in reversed(graph.nodes):
        if graph.shapes[node.name][1:] != (1, 1) and not isinstance(node.layer, Copy):
            return node.name
    raise SpecError("this network has no layer with maps: it does not know where in the image anything is")


def _gradients(model: Model, images: np.ndarray, label: int) -> np.ndarray:
    """Of a class's output before the loss, with respect to preprocessed images."""
    graph = model.graph
    probe = Probe(graph, model.arrays, graph.output, len(images), threads=model.threads)
    probe.forward(images)
    return probe.backward(_one(graph, label))


def _one(graph: Graph, label: int) -> np.ndarray:
    one = np.zeros(graph.shapes[graph.output])
    one[label] = 1.0
    return one


def _magnitude(model: Model, gradient: np.ndarray) -> np.ndarray:
    """The largest of the channels, per unit of brightness."""
    per_unit = gradient / np.array(model.preprocessing.std)[:, np.newaxis, np.newaxis]
    largest: np.ndarray = np.abs(per_unit).max(axis=0)
    return largest


def _at_layer(model: Model, image: np.ndarray, label: int, layer: str) -> tuple[np.ndarray, np.ndarray]:
    """A layer's output for one decoded image, and its gradient for a class, (channels, rows, columns)."""
    network = Network(model.graph, 1, training=True, threads=model.threads, input_gradient=True, fused=False)
    network.load(model.arrays)
    model.preprocessing.fill(network, image[np.newaxis], np.arange(1))
    network.set_batch(1)
    maps = gradient = np.empty(0)
    for node in network.graph.nodes:
        b = network.buffers(node.name)
        node.layer.forward(b, False)
        if node.name == layer:
            maps = images_of(b.y, 1)[0]  # at once: the next layer may work in place
    network.loss.dx[...] = _one(network.graph, label)[..., np.newaxis]
    for name, step, b in network.backward_steps:
        if name == layer and isinstance(step, Layer):
            gradient = images_of(b.dy, 1)[0]  # complete just before the layer's own step
            break
        step.backward(b)
    return maps, gradient


def occlusion(model: Model, image: np.ndarray, label: int, size: int, stride: int) -> np.ndarray:
    """A class's score while a square of the training set's mean colour is moved over one decoded image.

    Parameters
    ----------
    model : Model
    image : ndarray, shape (rows, columns, channels)
    label : int
    size, stride : int
        Side of the square and its step, in pixels; the last step is shortened so that the border is reached.

    Returns
    -------
    ndarray, shape (rows, columns)
        For each pixel the mean over all squares that cover it.

    References
    ----------
    Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.2.
    """
    height, width = image.shape[:2]
    full = np.iinfo(image.dtype).max
    colour = np.rint(np.clip(model.preprocessing.mean, 0, 1) * np.float64(full)).astype(image.dtype)
    places = [(r, c) for r in _starts(height, size, stride) for c in _starts(width, size, stride)]
    total, covered = np.zeros((height, width)), np.zeros((height, width))
    for first in range(0, len(places), BATCH):
        some = places[first : first + BATCH]
        images = np.repeat(image[np.newaxis], len(some), axis=0)
        for occluded, (r, c) in zip(images, some, strict=True):
            occluded[r : r + size, c : c + size] = colour
        scores = predict(model.network(BATCH), model.preprocessing, images)[0][:, label]
        for (r, c), score in zip(some, scores, strict=True):
            total[r : r + size, c : c + size] += score
            covered[r : r + size, c : c + size] += 1
    return total / covered


def _starts(length: int, size: int, stride: int) -> list[int]:
    last = max(length - size, 0)
    return [*range(0, last, stride), last]
