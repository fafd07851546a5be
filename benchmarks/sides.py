"""The two sides that `compare_torch.py` times, each made in a process of its own: ours and PyTorch's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rounds import seconds_of_calls

from cnncli.graph import Graph
from cnncli.layers.dropout import Dropout
from cnncli.spec import RunSpec, TrainSpec, load

CONFIGS = Path(__file__).parents[1] / "configs"
LR = 1e-9  # labels are random: weights must not grow while they are timed
MEAN, STD = 0.5, 0.3
BATCHES = 4  # of images of ours
DISTINCT = 3  # images in the batch whose results are compared


def network_of(config: str, dropout: bool) -> tuple[RunSpec, Graph]:
    """A config's spec and graph; where dropout is not wanted, with probability 0."""
    spec = load(config)
    if spec.data.in_shape is None or spec.data.class_count is None:
        raise ValueError(f"{config}: data.image and data.classes must say what the network is for")
    nodes = spec.model
    if not dropout:
        nodes = tuple(replace(n, layer=Dropout(p=0.0)) if isinstance(n.layer, Dropout) else n for n in nodes)
    return spec, Graph(nodes, spec.data.in_shape, spec.loss)


def images_of(graph: Graph, count: int, seed: int = 0, distinct: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Random pixels (N, height, width, channels) and labels, the same in every process; of few images many copies."""
    channels, height, width = graph.in_shape
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (distinct or count, height, width, channels), np.uint8)
    if distinct:
        pixels = pixels[rng.integers(0, distinct, count)]
    return pixels, rng.integers(0, graph.shapes[graph.output][0], count, dtype=np.int32)


def as_tensors(pixels: np.ndarray, labels: np.ndarray) -> tuple[Any, Any]:
    """Pixels as PyTorch's input, normalised, and labels."""
    import torch

    x = np.moveaxis((pixels.astype(np.float32) / 255 - MEAN) / STD, 3, 1)
    return torch.from_numpy(np.ascontiguousarray(x, np.float32)), torch.from_numpy(labels.astype(np.int64))


class Ours:
    """A network of cnncli; forms are ``step``, ``step_packed``, ``predict``, ``forward``."""

    def __init__(self, config: str, batch_size: int, threads: int) -> None:
        from cnncli.datasets.base import Images
        from cnncli.evaluation import predict
        from cnncli.network import Network
        from cnncli.preprocessing import Preprocessing
        from cnncli.training import StepReport, Trainer

        class Packed(Preprocessing):
            """Leaves in the network's input what is there."""

            def fill(self, network: Network, images: np.ndarray, indices: np.ndarray) -> None:
                pass

        self.config, self.batch_size, self.threads = config, batch_size, threads
        spec, self.graph = network_of(config, dropout=True)
        channels, height, width = self.graph.in_shape
        how = ((height, width), channels, (MEAN,) * channels, (STD,) * channels)
        self.preprocessing = Preprocessing(*how)
        network = Network(self.graph, batch_size, training=True, threads=threads)
        network.initialize(seed=0)
        self.pixels, self.labels = images_of(self.graph, max(BATCHES * batch_size, 256))
        classes = tuple(map(str, range(self.graph.shapes[self.graph.output][0])))
        images = Images(self.pixels, self.labels, [""] * len(self.labels), classes)
        self._first = np.arange(batch_size)
        self.preprocessing.fill(network, self.pixels, self._first)

        def steps(preprocessing: Preprocessing) -> Callable[[], object]:
            optimizer = replace(spec.optimizer, lr=LR)
            trainer = Trainer(network, optimizer, spec.schedule, preprocessing, images, None, TrainSpec(epochs=2**31))
            reports = (report for report in trainer.fit() if isinstance(report, StepReport))
            return lambda: next(reports)

        inference = Network.for_use(self.graph, network.arrays(), batch_size, threads)
        self.preprocessing.fill(inference, self.pixels, self._first)
        inference.loss.target = None
        batch = self.pixels[:batch_size]
        self._forms: dict[str, Callable[[], object]] = {
            "step": steps(self.preprocessing),
            "step_packed": steps(Packed(*how)),
            "predict": lambda: predict(inference, self.preprocessing, batch),
            "forward": inference.forward,
        }
        self.variant = network.kernels.variant

    def times(self, form: str, seconds: float) -> list[float]:
        """Seconds of each step or pass."""
        return seconds_of_calls(self._forms[form], seconds)

    def info(self) -> dict[str, Any]:
        """What the tables tell about this side."""
        macs = sum(plan.macs for plan in self.graph.plans.values())
        return {"variant": self.variant, "multiply_adds": macs}

    def reference(self, draw: int) -> dict[str, dict[str, np.ndarray]]:
        """One batch without dropout: ``arrays`` before it, and ``results``: outputs, loss, gradients, state."""
        from cnncli.network import Network

        _, graph = network_of(self.config, dropout=False)
        network = Network(graph, self.batch_size, training=True, threads=self.threads)
        network.initialize(seed=0)
        rng = np.random.default_rng(1)  # so that biases, which start at 0, count too
        network.theta += 0.01 * rng.standard_normal(network.theta.shape)
        arrays = {name: np.array(array) for name, array in network.arrays().items()}
        pixels, labels = images_of(graph, self.batch_size, draw, DISTINCT)
        self.preprocessing.fill(network, pixels, self._first)
        network.set_targets(labels)
        network.forward(training=True)
        network.backward()
        weight = self.batch_size * graph.loss.weight(self.batch_size)
        outputs = np.moveaxis(network.loss.x[:, :, 0, 0], 2, 1).reshape(-1, network.loss.x.shape[1])[: network.n]
        found = {"outputs": outputs.copy(), "loss": np.array(weight * network.mean_loss())}
        gradients = {f"gradient of {n}": graph.params[n].dense(g).copy() for n, g in network.param_grad.items()}
        trained = {name: g for name, g in gradients.items() if graph.params[name.removeprefix("gradient of ")].rate}
        return {"arrays": arrays, "results": found | trained | network.state}


class Theirs:
    """The same network in PyTorch; forms are ``train NAME`` and ``infer NAME``."""

    def __init__(self, config: str, batch_size: int, threads: int, compiled: bool) -> None:
        import torch

        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.config, self.batch_size, self.threads, self.compiled = config, batch_size, threads, compiled
        self.spec, self.graph = network_of(config, dropout=True)
        pixels, labels = images_of(self.graph, max(BATCHES * batch_size, 256))
        self.x, self.labels = as_tensors(pixels[:batch_size], labels[:batch_size])
        self._forms: dict[str, Callable[[], object]] = {}

    def results(self, arrays: dict[str, np.ndarray], draw: int) -> dict[str, np.ndarray]:
        """What comes of the batch of `Ours.reference`."""
        from torch_network import TorchNetwork
        from torch_training import loss_of

        _, graph = network_of(self.config, dropout=False)
        network = TorchNetwork(graph, arrays)
        loss, targets_of = loss_of(graph.loss, graph.shapes[graph.output][0])
        x, labels = as_tensors(*images_of(graph, self.batch_size, draw, DISTINCT))
        outputs = network(x)
        value = loss(outputs, targets_of(labels))
        value.backward()
        found = {"outputs": outputs.detach().numpy(), "loss": value.detach().numpy()}
        return found | {f"gradient of {n}": g for n, g in network.gradients().items()} | network.state()

    def prepare(self, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
        """Make all forms; which there are, and what was chosen for them."""
        self.arrays = arrays
        layouts = ["contiguous", "channels_last"] + ["compiled"] * self.compiled
        optimizers: dict[str, float] = {}
        for how in ("foreach", "fused"):
            self._forms[how] = self._training("contiguous", {how: True})
            optimizers[how] = min(self.times(how, 0.3))
        chosen = min(optimizers, key=optimizers.__getitem__)
        for layout in layouts:
            self._forms[f"train {layout}"] = self._training(layout, {chosen: True})
            self._forms[f"infer {layout}"] = self._inference(layout)
        if session := self._onnx():
            self._forms["infer onnxruntime"] = session
            layouts.append("onnxruntime")
        began = time.perf_counter()
        for form in [f"{use} {layout}" for use in ("train", "infer") for layout in layouts]:
            if form in self._forms:
                self._forms[form]()  # compiles
        names = [name for name in self._forms if " " in name]
        return {"optimizer": chosen, "forms": names, "compile_s": time.perf_counter() - began}

    def times(self, form: str, seconds: float) -> list[float]:
        """Seconds of each step or pass."""
        return seconds_of_calls(self._forms[form], seconds)

    def _network(self, layout: str) -> tuple[Any, Any]:
        """A network and its input in a layout."""
        import torch
        from torch_network import TorchNetwork

        network, x = TorchNetwork(self.graph, self.arrays), self.x.clone()
        if layout == "channels_last":
            network, x = network.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
        return network, x

    def _training(self, layout: str, how: dict[str, bool]) -> Callable[[], object]:
        import torch
        from torch_training import loss_of, optimizer_of

        network, x = self._network(layout)
        network.train()
        optimizer = optimizer_of(self.spec.optimizer, network, LR, **how)
        loss, targets_of = loss_of(self.graph.loss, self.graph.shapes[self.graph.output][0])
        targets = targets_of(self.labels)

        def loss_of_batch() -> Any:
            return loss(network(x), targets)

        value = torch.compile(loss_of_batch) if layout == "compiled" else loss_of_batch

        def step() -> None:
            optimizer.zero_grad(set_to_none=True)
            value().backward()
            optimizer.step()

        return step

    def _inference(self, layout: str) -> Callable[[], object]:
        import torch

        network, x = self._network(layout)
        network.eval().requires_grad_(False)
        run = torch.compile(network) if layout == "compiled" else network

        def infer() -> None:
            with torch.inference_mode():
                run(x)

        return infer

    def _onnx(self) -> Callable[[], object] | None:
        """A pass of ONNX Runtime, where that is installed."""
        from importlib.util import find_spec

        if not (find_spec("onnxruntime") and find_spec("onnx")):
            return None
        import io
        import warnings

        import onnxruntime
        import torch

        network, x = self._network("contiguous")
        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(network.eval(), (x,), file, input_names=["x"], dynamo=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
        feed = {"x": x.numpy()}
        return lambda: session.run(None, feed)
