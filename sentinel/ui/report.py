"""The report of a case as a document for others: what happened, what was done, and what could not be seen.

The document is blocks (headings, words of ours, tables, lines of strangers) that are drawn as Markdown or as HTML, in
the language that is spoken. Every text that is not ours passes `visible` and is drawn so that it can be nothing but
text: in HTML escaped, in Markdown as a code span, in which neither markup nor a link is anything. Times are UTC.
"""

import html
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sentinel.core.alert import Alert
from sentinel.core.case import Case, Evidence
from sentinel.core.slip import Slip
from sentinel.ui.tables import LEVEL_WORDS, key_text
from sentinel.ui.unseen import gap_word
from sentinel.ui.visible import visible
from sentinel.ui.words import _, language, ngettext

TEXT_MAX = 4_000
"""So many characters of a text are shown; the evidence beside the report has all of it."""
_STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:72em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #999;padding:.3em .6em;text-align:left;"
    "vertical-align:top}code{font:13px monospace;white-space:pre-wrap;overflow-wrap:anywhere}"
)


class Said(str):
    """Words of ours, as against the text of strangers."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1 or 2; `name` is what somebody called it."""

    level: int
    words: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table; cells are `Said`, or texts of strangers."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


Block = Heading | Grid | Said


def blocks(case: Case, alerts: Sequence[Alert], evidence: Sequence[Evidence], slip: Slip) -> Iterator[Block]:
    """Yield the report."""
    yield Heading(1, _("Report of case {number}").format(number=case.number), case.title)
    state = _("open since {at}") if case.state == "open" else _("closed, was opened at {at}")
    yield Said(state.format(at=_utc(case.opened)))
    if case.deadline is not None:
        yield Said(_("To be dealt with until {at}.").format(at=_utc(case.deadline)))
    yield Grid([_("Who works on it")], [[one] for one in case.members])
    yield Heading(2, _("What could not be seen"))
    yield from _unseen(slip)
    yield Heading(2, _("What Sentinel raised"))
    rows = [
        (Said(LEVEL_WORDS[one.level]), Said(_utc(one.first_seen)), Said(_utc(one.last_seen)), one.title,
         key_text(one.key), Said(f"{one.count:,}"), Said(_verdict(one)), Said(", ".join(one.attack)), one.id)
        for one in alerts
    ]  # fmt: skip
    yield Grid(
        (_("How bad"), _("First"), _("Last"), _("What was found"), _("What it is about"), _("Events counted"),
         _("What people said"), "ATT&CK", _("Its number")),
        rows,
    )  # fmt: skip
    yield Heading(2, _("What happened"))
    yield Said(ngettext("One event is kept as evidence.", "{n} events are kept as evidence.", len(evidence)))
    yield Grid(
        (_("At (UTC)"), _("Where from"), _("The line"), "SHA-256"),
        [(Said(_utc(one.at)), _dataset(one), one.raw or one.document, Said(one.sha256)) for one in evidence],
    )
    yield Heading(2, _("What is to be done"))
    yield Grid(
        (_("No."), _("Task"), _("Done"), _("By whom")),
        [(Said(str(one.number)), one.text, Said(_("yes") if one.done else _("no")), one.who) for one in case.tasks],
    )
    yield Heading(2, _("What was done"))
    yield Grid(
        (_("At (UTC)"), _("By whom"), _("What"), _("In their words")),
        [(Said(_utc(one.at)), one.who, one.what, one.note) for one in case.timeline],
    )


def _unseen(slip: Slip) -> Iterator[Block]:
    between = _("From {start} to {end}, by Sentinel's own books:").format(start=_utc(slip.start), end=_utc(slip.end))
    if slip.complete:
        yield Said(" ".join((between, _("complete."))))
        return
    yield Said(between)
    rows = [
        (Said(gap_word(one)), one.about, Said(_utc(one.start)), Said(_utc(one.end)),
         Said(f"{one.many:,}" if one.many else "–"), one.why)
        for one in slip.gaps
    ]  # fmt: skip
    yield Grid((_("What is missing"), _("Of whom"), _("Since"), _("Until"), _("How many"), _("Why")), rows)


def markdown(document: Iterable[Block]) -> str:
    """Draw a document as Markdown (CommonMark with tables, https://github.github.com/gfm/)."""
    parts: list[str] = []
    for block in document:
        match block:
            case Heading(level, words, name):
                parts.append(f"{'#' * level} {_plain(words)}{f': {_code(name)}' if name else ''}")
            case Grid(columns, rows):
                lines = [columns, ["---"] * len(columns)]
                text = "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
                parts.append("\n".join([text, *(f"| {' | '.join(map(_cell, row))} |" for row in rows)]))
            case _:
                parts.append(_plain(block))
    return "\n\n".join(parts) + "\n"


def page(document: Iterable[Block], title: str) -> str:
    """Draw a document as one HTML page that loads nothing and runs nothing."""
    body: list[str] = []
    for block in document:
        match block:
            case Heading(level, words, name):
                body.append(f"<h{level}>{_safe(words)}{f': {_safe(name)}' if name else ''}</h{level}>")
            case Grid(columns, rows):
                head = "".join(f"<th>{_safe(one)}</th>" for one in columns)
                lines = "".join(f"<tr>{''.join(f'<td>{_held(one)}</td>' for one in row)}</tr>" for row in rows)
                body.append(f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>")
            case _:
                body.append(f"<p>{_safe(block)}</p>")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        f'<!doctype html>\n<html lang="{language()}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><title>{_safe(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{chr(10).join(body)}\n</body></html>\n"
    )


def _held(text: str) -> str:
    return _safe(text) if isinstance(text, Said) else f"<code>{_safe(text)}</code>"


def _safe(text: str) -> str:
    return html.escape(visible(_cut(text)))


def _cell(text: str) -> str:
    return _plain(text).replace("|", r"\|") if isinstance(text, Said) else _code(text).replace("|", r"\|")


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>&])", r"\\\1", visible(text))


def _code(text: str) -> str:
    shown = visible(_cut(text))
    if not shown:
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    return f"{fence} {shown} {fence}"


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}…"


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _verdict(alert: Alert) -> str:
    return {
        "true_positive": _("a true alarm"),
        "false_positive": _("a false alarm"),
        "benign": _("true, but harmless"),
        None: _("nothing yet"),
    }[alert.verdict]


def _dataset(one: Evidence) -> str:
    return str(json.loads(one.document).get("event.dataset", ""))
