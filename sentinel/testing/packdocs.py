"""What a pack reads and fills, told by its samples: nothing is said here that no line proves."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from sentinel.parse.packs import Pack
from sentinel.testing import packs as harness


@dataclass(frozen=True, slots=True)
class Told:
    """A pack's samples: how many lines each has, and in how many of the events each field is filled."""

    name: str
    title: str
    reference: str
    dataset: str
    aliases: tuple[str, ...]
    samples: dict[str, int]
    events: int
    refused: int
    fields: dict[str, int]
    actions: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return everything by name."""
        return asdict(self)


def told(pack: Pack) -> Told:
    """Read what lies beside the samples of `pack`."""
    fields: Counter[str] = Counter()
    actions: Counter[str] = Counter()
    samples: dict[str, int] = {}
    events = refused = 0
    for sample in harness.samples(pack.folder):
        lines = harness.expected(sample).read_text("utf-8").splitlines()
        samples[sample.stem] = len(lines)
        for line in lines:
            said = json.loads(line)
            for event in said if isinstance(said, list) else [said]:
                if event.get("event.kind") == "pipeline_error":
                    refused += 1
                    continue
                events += 1
                fields.update(event.keys())
                actions.update([str(event["event.action"])] if "event.action" in event else [])
    known = dict(sorted(fields.items(), key=lambda item: (-item[1], item[0])))
    order = tuple(action for action, _ in actions.most_common())
    return Told(
        pack.name, pack.title, pack.reference, pack.dataset, pack.aliases, samples, events, refused, known, order
    )


def markdown(one: Told) -> str:
    """Return the page of a pack."""
    rows = "\n".join(f"| `{name}` | {100 * count / one.events:.0f} % |" for name, count in one.fields.items())
    listed = ", ".join(f"{name} ({count})" for name, count in one.samples.items())
    also = f", also asked for as {', '.join(one.aliases)}" if one.aliases else ""
    actions = f"\nIt tells of: {', '.join(one.actions)}.\n" if one.actions else ""
    return (
        f"## {one.name}: {one.title}\n\n"
        f"`event.dataset` {one.dataset}{also}. The vendor's description: {one.reference}\n"
        f"{actions}\n"
        f"Proven by {sum(one.samples.values())} lines ({listed}), of which {one.refused} are refused.\n\n"
        f"| field | filled in |\n|---|---|\n{rows}\n"
    )
