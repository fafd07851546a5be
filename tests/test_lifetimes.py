"""Maps that share memory."""

from __future__ import annotations

import numpy as np
import pytest
from networks import NETWORKS, prepared
from rig import put

from cnncli.network import Network


def test_maps_that_are_not_needed_at_once_share_memory() -> None:
    network, _, _ = prepared("residual blocks", 8, 8)
    names = [node.name for node in network.graph.nodes]
    kept = {id(network.buffers(name).dy) for name in names}
    apart, _, _ = prepared("residual blocks", 8, 8, fused=False)
    assert len(kept) < len({id(apart.buffers(name).dy) for name in names})
    use = Network(network.graph, 8, training=False)
    assert len({id(use.buffers(name).y) for name in names}) < len({id(network.buffers(name).y) for name in names})


@pytest.mark.parametrize("name", NETWORKS)
def test_evaluation_is_the_same_in_both_kinds_of_network(name: str) -> None:
    network, x, labels = prepared(name, 40, 35)
    network.forward()
    use = Network(network.graph, 40, training=False)
    use.load(network.arrays())
    for _ in range(2):
        put(use.x, x, unused=0.0)
        use.set_targets(labels)
        use.forward()
        np.testing.assert_array_equal(use.scores(), network.scores())
