"""Feeds every pack its samples mutated, spliced and blown up, for as long as it is told to.

    python tests/fuzz/packs.py --minutes 10 --seed 1

A pack may read a record or refuse it (ParseError); it may raise nothing else, give no field a value of another type,
and take no more than a second of CPU for one record. The whole road, from recognising to the finished event, is tried
too. Ends with 1 and shows the record if one of these is broken.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

from sentinel.core.content import content
from sentinel.core.errors import ParseError
from sentinel.core.event import Entry, Origin, Raw
from sentinel.parse.packs import Pack, load
from sentinel.parse.record import parse_one
from sentinel.parse.route import Router
from sentinel.testing import packs as harness

SLOW_SECONDS = 1.0
LONGEST = 128 * 1024
HOSTILE = (
    b'"', b"'", b"\\", b"=", b",", b";", b"|", b"\t", b"\0", b"\n", b"\r\n", b"\x1b[2J", b"\xff\xfe", b"\xc3", b"{",
    b"}", b"[", b"]", b"<", b">", b"-1", b"0", b"99999999999999999999", b"1e999", b"nan", b"::1", b"256.1.1.1", b"%s",
    b"${x}", b"1969-12-31T23:59:59", b"9999-12-31T23:59:59+14:00", b"Feb 29 00:00:00", b"\xe2\x80\xae", b"\xed\xa0\x80",
    b"a" * 300, b"((((", b"....", b"    ", b"CEF:0|a|b|c|d|e|9|", b"LEEF:2.0|a|b|c|d|^|", b"<191>", b"#012", b"\\ud800",
)  # fmt: skip
EVERY_PRINTED = 30.0


def cut(body: bytes, chance: Random, _: list[bytes]) -> bytes:
    """Take a piece out."""
    start = chance.randrange(len(body) + 1)
    return body[:start] + body[start + chance.randrange(1, 40) :]


def end(body: bytes, chance: Random, _: list[bytes]) -> bytes:
    """Cut the rest off."""
    return body[: chance.randrange(len(body) + 1)]


def insert(body: bytes, chance: Random, _: list[bytes]) -> bytes:
    """Put something hostile in."""
    at = chance.randrange(len(body) + 1)
    return body[:at] + chance.choice(HOSTILE) + body[at:]


def flip(body: bytes, chance: Random, _: list[bytes]) -> bytes:
    """Change a byte."""
    if not body:
        return body
    at = chance.randrange(len(body))
    return body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :]


def splice(body: bytes, chance: Random, all_of_them: list[bytes]) -> bytes:
    """Go on as another record does."""
    other = chance.choice(all_of_them)
    return body[: chance.randrange(len(body) + 1)] + other[chance.randrange(len(other) + 1) :]


def again(body: bytes, chance: Random, _: list[bytes]) -> bytes:
    """Say a piece many times, which shows what costs more than its length."""
    start = chance.randrange(len(body) + 1)
    piece = body[start : start + chance.randrange(1, 24)]
    return (body[:start] + piece * chance.choice((2, 9, 200, 4000)) + body[start:])[:LONGEST]


def words(body: bytes, chance: Random, _: list[bytes]) -> bytes:
    """Shuffle words."""
    parts = body.split(b" ")
    chance.shuffle(parts)
    return b" ".join(parts)


MUTATIONS: tuple[Callable[[bytes, Random, list[bytes]], bytes], ...] = (
    cut,
    end,
    insert,
    insert,
    flip,
    splice,
    again,
    words,
)


def wrong(pack: Pack, body: bytes, router: Router) -> str:
    """Return what the pack did wrong with a record, nothing if it kept its promises."""
    raw = Raw(body, pack.name, harness.RECEIVED, Origin("fuzz"), "Europe/Berlin")
    begin = time.thread_time()
    said = ""
    try:
        for document in pack.parse(raw):
            said = said or "; ".join(harness.faults(document))
    except ParseError:
        pass
    except Exception as error:  # noqa: BLE001  what may not be raised is what is looked for
        said = f"{type(error).__name__}: {error}"
    if (taken := time.thread_time() - begin) > SLOW_SECONDS:
        said = said or f"{taken:.1f} s for {len(body)} bytes"
    for event in parse_one(Entry(1, harness.RECEIVED, raw), router) if not said else ():
        if event.fields.get("error.type") not in {None, "ParseError", "EmptyRecord", "NoEvent"}:
            said = f"recognised by itself: {event.fields['error.type']}: {event.fields.get('error.message')}"
    return said


def main() -> int:
    """Run until time is over or something is found."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--packs", default="", help="names, set apart by commas; empty: all")
    given = options.parse_args()
    chance = Random(given.seed)  # noqa: S311  repeatable on purpose
    packs = load([content("parsers")], shipped=content("parsers"))
    chosen = [pack for pack in packs if not given.packs or pack.name in given.packs.split(",")]
    bodies = {
        pack.name: [raw.body for path in harness.samples(pack.folder) for raw in harness.records(path)]
        for pack in chosen
    }
    everything = [body for some in bodies.values() for body in some]
    router, tried, found = Router(packs), Counter[str](), dict[str, str]()
    until, told = time.monotonic() + given.minutes * 60, time.monotonic()
    while time.monotonic() < until:
        pack = chance.choice(chosen)
        body = chance.choice(bodies[pack.name])
        for _ in range(chance.randrange(1, 4)):
            body = chance.choice(MUTATIONS)(body, chance, everything)
        tried[pack.name] += 1
        what = wrong(pack, body, router)
        if what and f"{pack.name}: {what[:60]}" not in found:
            found[f"{pack.name}: {what[:60]}"] = repr(body[:2000])
            sys.stdout.write(f"{pack.name}: {what}\n  {body[:2000]!r}\n")
            sys.stdout.flush()
        if time.monotonic() - told > EVERY_PRINTED:
            told = time.monotonic()
            sys.stderr.write(f"{sum(tried.values()):,} records, {len(found)} found\n")
    summary = {
        "seed": given.seed,
        "minutes": given.minutes,
        "packs": len(chosen),
        "records": sum(tried.values()),
        "found": len(found),
    }
    sys.stdout.write(json.dumps(summary) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    sys.exit(main())
