"""What there is to know about an alert, as lines: why it fired, evidence, its rule, who did what, what is like it."""

from collections.abc import Iterator, Mapping

from sentinel.core.alert import Alert, Record
from sentinel.core.event import Event
from sentinel.core.explain import Step, deciding, leaves_of
from sentinel.core.listing import Brief
from sentinel.core.scene import Doings, Dossier, Scene
from sentinel.core.where import Is, plain, values
from sentinel.ui.console.acting import SHORT, STATES
from sentinel.ui.console.draw import Line, Piece, facts, heading, line
from sentinel.ui.explaining import asked, words
from sentinel.ui.words import _, either, moment, ngettext, number, titled
from sentinel.ui.words.stages import retold

RAW_MAX = 64 << 10
GLANCED_MAX = 5
GLANCED_LINES_MAX = 3
HEX_WIDTH = 16
VALUE_MAX = 300
FIELDS_FIRST = ("@timestamp", "event.action", "event.outcome", "message")


def evidence(dossier: Dossier, scene: Scene, most: int | None = None) -> Iterator[Line]:
    """Yield why it fired, whether that has happened before, and the lines that raised it, the latest `most` of them."""
    yield heading(_("Why it fired"))
    if scene.changed:
        yield line(_("the rule has changed since: these are its conditions of now"), "warning")
    if scene.rule is None:
        yield line(_("its rule is not on any more"), "warning")
    for one in scene.reasons:
        if len(scene.reasons) > 1:
            yield line(one.rule, "strong")
        yield from _step(deciding(one.step), scene, 0)
    if dossier.alert.summary:
        yield line(dossier.alert.summary)
    if scene.before is not None:
        often = ngettext("{n} event in the 90 days before", "{n} events in the 90 days before", scene.before)
        told: Piece = (often, "plain") if scene.before else (_("never in the 90 days before"), "warning")
        yield Line(((_("happened before: "), "muted"), told))
    yield Line()
    yield heading(_("Evidence") + "  " + ngettext("{n} event", "{n} events", len(scene.evidence)))
    for event in scene.evidence[-(most or len(scene.evidence)) :]:
        yield Line(((f"{moment(event.timestamp)} ", "muted"), (raw(event), "plain")), fact=(_("raw line"), raw(event)))


def rule(scene: Scene, alert: Alert) -> Iterator[Line]:
    """Yield the rule: whose it is, as a question, and its Sigma source."""
    if scene.rule is None:
        yield line(_("its rule is not on any more"), "warning")
        yield from facts([(_("rule"), alert.title), (_("author"), alert.author)])
        return
    title = either(scene.rule.title, scene.rule.title_de)
    yield from facts([(_("rule"), title), (_("file"), scene.rule.path), (_("author"), scene.rule.author)])
    yield from facts([(_("license"), scene.rule.license)])
    yield Line()
    yield heading(_("As a question"))
    if scene.query:
        yield Line(((scene.query, "link"),), go=("hunt", scene.query))
    else:
        yield line(_("the language of questions has no words for all of it"), "muted")
    yield Line()
    yield heading("Sigma")
    for row in scene.text.splitlines():
        name, colon, rest = row.partition(":")
        if colon and not name.strip().startswith("#") and " " not in name.strip(" -"):
            yield Line(((f"{name}:", "accent"), (rest, "plain")))
        else:
            yield line(row)


def timeline(scene: Scene) -> Iterator[Line]:
    """Yield what those did that it is about, and the evidence among it, in order of time."""
    marked = {event.id for event in scene.evidence}
    events = {event.id: event for one in scene.doings for event in one.events}
    events |= {event.id: event for event in scene.evidence}
    yield heading(_("The hour before, and the evidence (›)"))
    for event in sorted(events.values(), key=lambda one: one.timestamp):
        what = plain(next(iter(values(event.fields.get("event.action"))), "–"))
        pieces: list[Piece] = [("› " if event.id in marked else "  ", "accent")]
        pieces += [(f"{moment(event.timestamp)} ", "muted"), (f"{what:<20} ", "strong"), (raw(event), "plain")]
        yield Line(pieces, fact=(_("raw line"), raw(event)), wraps=False)


def entity(scene: Scene) -> Iterator[Line]:
    """Yield everybody and everything it is about."""
    for one in scene.doings:
        yield from _doings(one)
        yield Line()


def history(alert: Alert) -> Iterator[Line]:
    """Yield who did what with it, when, and why."""
    for change in alert.history:
        undone = " " + _("(undone)") if change.undone else ""
        pieces: list[Piece] = [(f"{moment(change.at)} ", "muted"), (f"{change.who} ", "strong")]
        yield Line(
            (
                *pieces,
                (f"{retold(change.what)}{undone}", "plain"),
                (f"  {change.note}" if change.note else "", "accent"),
            )
        )


WHOLE = 2_000
"""So many lines of the screen a raw line may take."""


def raws(scene: Scene, *, as_bytes: bool) -> Iterator[Line]:
    """Yield each piece of evidence whole: its line (or its bytes) and its fields."""
    for at, event in enumerate(scene.evidence, 1):
        yield heading(f"{at}  {moment(event.timestamp)}  {event.id}")
        text = raw(event)
        if as_bytes:
            yield from (Line(((row, "plain"),), wraps=False) for row in hexed(text.encode("utf-8", "surrogateescape")))
        else:
            yield from (
                Line(((row, "plain"),), fact=(_("raw line"), text), indent=0, rows_max=WHOLE)
                for row in text.split("\n")
            )
            names = sorted(event.fields, key=lambda name: (name not in FIELDS_FIRST, name))
            fields = [(name, ", ".join(plain(one) for one in values(event.fields[name]))) for name in names]
            yield from facts([(name, value) for name, value in fields if name != "event.original"], 24)
        yield Line()


def glance(dossier: Dossier, scene: Scene | None) -> Iterator[Line]:
    """Yield what fits beside a list: why it fired and the next step if that is known, how good the rule is."""
    if scene is not None:
        yield from evidence(dossier, scene, GLANCED_LINES_MAX)
        yield Line()
        yield heading(_("Next step"))
        yield from _next(scene)
        yield Line()
    elif dossier.alert.summary:
        yield line(dossier.alert.summary)
        yield Line()
    yield heading(_("How good this rule is"))
    yield line(_good(dossier.record))
    if dossier.similar:
        yield Line()
        yield heading(_("Like it"))
        yield from map(_like, dossier.similar[:GLANCED_MAX])


def deciding_lines(dossier: Dossier, scene: Scene | None) -> Iterator[Line]:
    """Yield what helps to decide: what it is about, what to do next, how good the rule is, what is like it."""
    yield heading(_("About"))
    for name, value in dossier.alert.key:
        text = plain(value)
        yield Line(((f"{name}  ", "muted"), (text, "link")), go=("entity", f"{name}={text}"), fact=(name, text))
    yield from (_asset(one) for one in (scene.doings if scene else ()) if one.facts)
    yield Line()
    yield heading(_("Next step"))
    yield from _next(scene)
    yield Line()
    yield heading(_("How good this rule is"))
    yield line(_good(dossier.record))
    yield Line()
    yield heading(_("Like it"))
    yield from [_like(one) for one in dossier.similar] or [line(_("no other alert is like it"), "muted")]
    for one in scene.doings if scene else ():
        yield Line()
        yield from _doings(one)


def raw(event: Event) -> str:
    """Return the line that an event came from, as far as it is known."""
    original = event.fields.get("event.original") or event.fields.get("message")
    return plain(next(iter(values(original)), "–"))[:RAW_MAX]


def hexed(data: bytes) -> Iterator[str]:
    """Yield bytes as lines of sixteen: where, in hexadecimal, as ASCII."""
    for at in range(0, len(data), HEX_WIDTH):
        part = data[at : at + HEX_WIDTH]
        text = "".join(chr(one) if 0x20 <= one < 0x7F else "." for one in part)
        yield f"{at:06x}  {part.hex(' '):<{HEX_WIDTH * 3}} {text}"


def _step(step: Step, scene: Scene, depth: int) -> Iterator[Line]:
    """Yield a condition; of `all of` only its parts, of a `not` that held in short what it asked."""
    if step.kind == "all" and step.held:
        for one in step.steps:
            yield from _step(one, scene, depth)
        return
    sign: Piece = ("✓ ", "good") if step.held else ("✗ ", "bad")
    before: tuple[Piece, Piece] = ((" " * (2 * depth), "plain"), sign)
    leaves = list(leaves_of(step))
    if step.kind == "not" and step.held:
        denied = "; ".join(asked(one.leaf, scene.names) for one in leaves if one.leaf is not None)
        met = {one.field: ", ".join(plain(value) for value in one.values) for each in leaves for one in each.found}
        yield Line((*before, (_("not: "), "strong"), (denied, "plain"), *_values(met)), indent=2 * depth + 2)
    elif step.leaf is not None:
        met = {one.field: ", ".join(plain(value) for value in one.met or one.values) for one in step.found}
        said = isinstance(step.leaf, Is) and step.held
        yield Line(
            (*before, (asked(step.leaf, scene.names), "plain"), *(() if said else _values(met))), indent=2 * depth + 2
        )
    else:
        yield Line((*before, (words(step, scene.names), "plain")))
        for one in step.steps:
            yield from _step(one, scene, depth + 1)


def _values(met: Mapping[str, str]) -> Iterator[Piece]:
    yield from ((f"  {name} = {value[:VALUE_MAX]}", "accent") for name, value in met.items() if value)


def _good(record: Record | None) -> str:
    ratio = record.false_positive_ratio if record else None
    if record is None or ratio is None:
        return _("nobody has given a verdict on an alert of this rule yet")
    part, low, high = (number(100 * one) for one in ratio)
    text = _("{part} % of {n} verdicts say false positive (95 % sure: {low} to {high} %)")
    return text.format(part=part, n=number(record.verdicts), low=low, high=high)


def _next(scene: Scene | None) -> Iterator[Line]:
    if scene is None or scene.rule is None:
        yield line("…" if scene is None else _("its rule is not on any more"), "muted")
        return
    for row in scene.rule.response.splitlines():
        yield line(row, "strong")
    for row in scene.rule.description.strip().splitlines() or [_("the rule says nothing about that")]:
        yield line(row)
    for name, said in ((_("harmless if: "), scene.rule.falsepositives), (_("not seen: "), scene.rule.blind_spots)):
        if said:
            yield Line(((name, "muted"), ("; ".join(said), "plain")))


def _asset(one: Doings) -> Line:
    critical = one.facts.get("criticality", "")
    told = [one.facts.get("name") or plain(one.value), one.facts.get("site", ""), one.facts.get("owner", "")]
    weight: Piece = (f" · {critical}", "warning" if critical in {"high", "critical"} else "muted")
    return Line(((" · ".join(part for part in told if part), "plain"), weight))


def _doings(one: Doings) -> Iterator[Line]:
    value = plain(one.value)
    pieces: list[Piece] = [(_("The hour before: "), "title"), (value, "link")]
    yield Line(pieces, go=("entity", f"{one.field}={value}"), fact=(one.field, value))
    if one.facts:
        yield _asset(one)
    if not one.known:
        yield line(_("never seen in the 90 days before that hour"), "warning")
    if not one.counts:
        yield line(_("did nothing that is known"), "muted")
    for what, count in one.counts:
        yield Line(((f"{number(count):>7}  ", "accent"), (what, "plain")), go=("hunt", f'{one.field}:"{value}"'))


def _like(one: Brief) -> Line:
    verdict = _(SHORT[one.verdict]) if one.verdict else _(STATES[one.state])
    about = ", ".join(plain(value) for _name, value in one.key)
    word: Piece = (f"{verdict:<7} ", "bad" if one.verdict == "true_positive" else "muted")
    pieces: list[Piece] = [(f"{moment(one.last_seen, seconds=False)} ", "muted"), word]
    return Line((*pieces, (titled(one.title), "link"), (f"  {about}", "muted")), go=("alert", one.id), wraps=False)
