"""What a rate of events needs, from what one event costs: arithmetic, with every assumption by name."""

from dataclasses import dataclass
from math import ceil

from sentinel.testing.bench_scale import Cost

COPIES = 1
"""Copies of each shard beside the first."""
BUSY = 0.5
"""So much of a core is counted on: the rest is for peaks, merges and people's questions."""
SHARD_BYTES = 50e9
CORES = 8
DISK_BYTES = 4e12
"""What a node has; Elastic advises shards of 10 to 50 GB."""
DAYS = 90
_NODES_MIN = 3
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Need:
    """What `rate` events a second need: cores, nodes of Elasticsearch, shards a day, TB for all days."""

    rate: int
    collector_cores: float
    detector_cores: float
    server_cores: float
    nodes: int
    shards: int
    terabytes: float

    @property
    def detectors(self) -> int:
        """How many processes have to judge, each of which has a core."""
        return ceil(self.detector_cores)


def need(rate: int, cost: Cost) -> Need:
    """Return what `rate` events a second need if each costs `cost`."""

    def cores(microseconds: float) -> float:
        return rate * microseconds / 1e6 / BUSY

    server = cores(cost.server_store_us) * (1 + COPIES) + cores(cost.server_judge_us)
    a_day = rate * _DAY_SECONDS * cost.bytes_each
    stored = a_day * (1 + COPIES) * DAYS
    nodes = max(_NODES_MIN, ceil(server / CORES), ceil(stored / DISK_BYTES))
    return Need(
        rate=rate,
        collector_cores=cores(cost.parse_us + cost.store_us),
        detector_cores=cores(cost.judge_us),
        server_cores=server,
        nodes=nodes,
        shards=ceil(a_day / SHARD_BYTES),
        terabytes=stored / 1e12,
    )
