"""Batches divided between processes: the branches of the tree, the order of its top, and who has which images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from cnncli.errors import SpecError
from cnncli.process_group import ProcessGroup
from cnncli.sharding import Adding, EarlyAdding, Shard, branches, order_of_sums


@dataclass
class Of(ProcessGroup):
    """One of several processes that are not there."""

    rank: int
    size: int


def tree(terms: list[str]) -> str:
    """What the kernels do with blocks, written out: neighbours, then pairs of neighbours, and so on."""
    terms, step = list(terms), 1
    while step < len(terms):
        for block in range(0, len(terms) - step, 2 * step):
            terms[block] = f"({terms[block]}+{terms[block + step]})"
        step *= 2
    return terms[0]


@pytest.mark.parametrize("blocks", [*range(1, 18), 31, 32, 33, 100])
def test_sums_of_branches_add_up_in_the_order_of_one_process(blocks: int) -> None:
    for ranks in range(1, min(blocks, 9) + 1):
        starts = branches(blocks, ranks)
        assert len(starts) == ranks
        for used in {1, blocks // 2, blocks - 1, blocks} - {0}:  # an epoch's last batch has fewer
            names = [str(block) for block in range(used)]
            ends = [*starts[1:], blocks]
            sums = [tree(names[start:end]) for start, end in zip(starts, ends, strict=True) if start < used]
            for left, right in order_of_sums([start for start in starts if start < used], used):
                sums[left] = f"({sums[left]}+{sums[right]})"
            assert sums[0] == tree(names)


def test_powers_of_two_share_evenly() -> None:
    assert branches(32, 8) == list(range(0, 32, 4))
    assert branches(4, 3) == [0, 1, 2]
    assert branches(16, 3) == [0, 4, 8]


@pytest.mark.parametrize("images", [1, 31, 32, 33, 100, 128, 200])
def test_every_image_is_somewhere(images: int) -> None:
    for size in (1, 2, 3, 4, 7):
        shards = [Shard(200, 32, Of(rank, size)) for rank in range(size)]
        found = np.concatenate([np.arange(images)[shard.rows(images)] for shard in shards])
        np.testing.assert_array_equal(found, np.arange(images))
        for shard in shards:
            shard.images = images
            rows = shard.rows(images)
            assert shard.empty == (rows.start == rows.stop)
            assert rows.stop - rows.start <= shard.capacity
            assert shard.idle == any(other.rows(images).start == images for other in shards)
            assert rows.start == min(shard.first * 32, images)


def test_too_few_blocks() -> None:
    text = "128 images make 4 blocks of 32, too few for 5 processes, each of which takes one at least; 160 would do"
    with pytest.raises(SpecError, match=text):
        Shard(128, 32, Of(0, 5))


class Recording(ProcessGroup):
    """Notes what is added when."""

    def __init__(self, vector: np.ndarray) -> None:
        self.vector, self.begun = vector, []  # type: ignore[var-annotated]

    def start_adding(self, vector: np.ndarray) -> int:
        start = (vector.ctypes.data - self.vector.ctypes.data) // 4
        self.begun.append((start, start + vector.size))
        return len(self.begun)

    def finish(self, begun: object) -> None:
        assert begun == list(range(1, len(self.begun) + 1))


def test_early_sums_cover_everything_once() -> None:
    vector = np.ones(300_000, np.float32)
    group = Recording(vector)
    shard = Shard(64, 32, group, exact=False)
    adding = shard.adding(vector, 280_000)
    assert isinstance(adding, EarlyAdding)
    assert type(Shard(64, 32).adding(vector, 1)) is Adding
    for final in (279_000, 200_000, 199_000, 100_000):
        adding.final(final)
    assert group.begun == [(200_000, 280_000), (100_000, 200_000)]
    adding.finish()
    assert sorted(group.begun) == [(0, 100_000), (100_000, 200_000), (200_000, 280_000), (280_000, 300_000)]
    assert vector.all()
    shard.images, group.begun = 0, []
    adding.finish()
    assert not vector.any()  # what has no images adds nothing
