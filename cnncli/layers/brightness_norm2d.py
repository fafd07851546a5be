"""Brightness normalisation, also known as local response normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from cnncli.fields import at_least, field, positive
from cnncli.layers._bands import Bands, bands
from cnncli.layers.base import Buffers, Example, Layer, LayerPlan, Scratch, Shape


@dataclass(frozen=True, kw_only=True)
class BrightnessNorm2d(Layer):
    """Every sample divided by a power of the energy round it: y_i = x_i (kappa + lambda S_i)^-mu.

    S_i is the sum of x_j^2 over all maps, over `window` of them (from i - window // 2 on, cut off at the first and the
    last), or over a square round the sample in the `same_map`. `lambda` multiplies the sum, not the mean. Other
    programs count otherwise; with their size n, scale (alpha) a and power b write::

        AlexNet (Krizhevsky et al. 2012)       {kappa: 2, lambda: 1e-4, mu: 0.75, window: 5}
        cuda-convnet, cross-map (cmrnorm)      {kappa: 1, lambda: a / n, mu: b, window: n}
        cuda-convnet, same map (rnorm)         {kappa: 1, lambda: a / n^2, mu: b, same_map: n}
        its layers-18pct file                  {kappa: 1, lambda: 5.5555556e-6, mu: 0.75, same_map: 3}
        its conv-local-11pct file              {kappa: 1, lambda: 1.1111111e-4, mu: 0.75, window: 9}
        Caffe, Torch and PyTorch               {kappa: k, lambda: a / n, mu: b, window: n}
        TensorFlow, depth_radius r, bias k     {kappa: k, lambda: a, mu: b, window: 2 r + 1}
        Lasagne, pylearn2, MatConvNet          {kappa: k, lambda: a, mu: b, window: n}

    References
    ----------
    Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks", NIPS 2012,
    section 3.3, who call it brightness normalisation.
    """

    examples: ClassVar[tuple[Example, ...]] = (
        Example({"lambda": 0.3}, ((4, 5, 6),)),
        Example({"kappa": 2, "lambda": 0.1, "mu": 0.5, "window": 3}, ((5, 4, 3),)),
        Example({"lambda": 0.2, "mu": 0.6, "same_map": 3}, ((2, 5, 4),)),
    )

    kappa: float = field(positive, default=1.0, doc="what the energy is added to")
    lambda_: float = field(at_least(0), default=1e-4, doc="factor of the energy")
    mu: float = field(at_least(0), default=0.75, doc="power; 0.5, 0.75 and 1 are fastest")
    window: Literal["all"] | int = field(at_least(1), default="all", doc="maps whose energy counts")
    same_map: int | None = field(
        at_least(1), default=None, doc="instead of maps: side of the square in the same map whose energy counts"
    )

    def __post_init__(self) -> None:
        if self.same_map is not None and self.window != "all":
            raise ValueError("window counts maps, same_map pixels of one map: give one of them")

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        shape = in_shapes[0]
        reach = self.same_map or 1
        return LayerPlan(
            out_shape=shape,
            scratch=Scratch(
                lambda kernels, blocks, lanes, threads: kernels.brightness.scratch_size(shape, lanes, threads)
            ),
            reads=frozenset("x"),
            kernel=(reach, reach),
        )

    def _tables(self, size: int, length: int) -> tuple[Bands, Bands]:
        """The matrix that adds up windows of `length` on `size` samples, and its transpose."""
        length = min(length, 2 * size)  # wider windows hold no more
        ones = (1.0,) * length
        forth, back = (bands(size, ones, "zero", before=length // 2, adjoint=adjoint) for adjoint in (False, True))
        return forth, back

    def forward(self, b: Buffers, training: bool) -> None:
        kernels, options = b.kernels.brightness, (b.real, self.kappa, self.lambda_, self.mu, b.blocks, b.threads)
        if self.same_map is not None:
            rows, columns = (self._tables(size, self.same_map)[0] for size in b.x.shape[2:4])
            kernels.within_forward(b.x, b.y, (rows, columns), *options)
        else:
            table = (None, None) if self.window == "all" else self._tables(b.x.shape[1], self.window)[0]
            kernels.across_forward(b.x, b.y, *table, *options)

    def backward(self, b: Buffers) -> None:
        if b.dx is None:
            return
        kernels, options = b.kernels.brightness, (b.real, self.kappa, self.lambda_, self.mu, b.blocks, b.threads)
        if self.same_map is not None:
            (rows, up), (columns, back) = (self._tables(size, self.same_map) for size in b.x.shape[2:4])
            kernels.within_backward(b.x, b.dy, b.dx, (rows, columns, up, back), *options)
        else:
            none = (None, None)
            forth, adjoint = (none, none) if self.window == "all" else self._tables(b.x.shape[1], self.window)
            kernels.across_backward(b.x, b.dy, b.dx, *forth, *adjoint, *options)
