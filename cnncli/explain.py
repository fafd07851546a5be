"""What a network looks at: kernels, feature maps, gradients of its input, occlusion; as arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cnncli.evaluation import predict
from cnncli.graph import Graph
from cnncli.layers._copy import Copy
from cnncli.model import BATCH, Model
from cnncli.network import Network
from cnncli.probe import Probe, images_of


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
    graph = model.graph
    probe = Probe(graph, model.arrays, graph.output, threads=model.threads)
    probe.forward(preprocessed(model, image))
    one = np.zeros(graph.shapes[graph.output])
    one[label] = 1.0
    gradient = probe.backward(one)[0] / np.array(model.preprocessing.std)[:, np.newaxis, np.newaxis]
    return np.abs(gradient).max(axis=0)


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
