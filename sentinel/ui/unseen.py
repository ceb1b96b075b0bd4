"""The completeness slip in words: what could not be seen in a stretch of time, gap by gap."""

from collections.abc import Iterator
from itertools import islice

from sentinel.core.slip import Gap, Slip
from sentinel.ui.words import _, moment, number
from sentinel.ui.words.stages import retold

TOLD_MAX = 12


def gap_word(gap: Gap) -> str:
    """Return in words what kind of gap it is."""
    return {
        "unknown": _("nothing is known"),
        "silent": _("a sender was silent"),
        "lost": _("records were lost"),
        "unparsed": _("records could not be read"),
        "unjudged": _("rules have not judged"),
    }[gap.kind]


def sentences(slip: Slip, most: int = TOLD_MAX) -> Iterator[str]:
    """Yield what could not be seen, `most` gaps at most and then how many more; nothing if the slip is complete."""
    yield from (_sentence(gap) for gap in islice(slip.gaps, most))
    if len(slip.gaps) > most:
        yield _("and {n} more").format(n=number(len(slip.gaps) - most))


def _sentence(gap: Gap) -> str:
    # a gap within one day says the day once
    oneday = gap.start.astimezone().date() == gap.end.astimezone().date()
    span = f"{moment(gap.start, seconds=False)} – {moment(gap.end, seconds=False, day=not oneday)}"
    many = f" ({number(gap.many)})" if gap.many else ""
    about = f" {gap.about}" if gap.about else ""
    return f"{span}  {gap_word(gap)}{many}:{about} {retold(gap.why)}"
