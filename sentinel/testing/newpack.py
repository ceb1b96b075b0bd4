"""Begins a parser pack from a sample of a log: a parser that reads it, its manifest, samples and what they become."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template

from sentinel.core.errors import UsageError
from sentinel.parse.packs import PACK_NAME
from sentinel.testing import packs as harness
from sentinel.testing.guess import Guess, guess

LINES_MAX = 200
BYTES_MAX = 16 << 20

_BEGUN = """Begun by `sentinel packs new`: give every name of PLACES its field. One without is read by its common name
(times are), or kept as a label."""
_ROWS = {
    "pairs": ("kv, ", "    said = kv.pairs(line.message)\n", "no pairs of key=value"),
    "json": ("document, structured, ",
             "    said = document.flat(structured.json_object(line.message))\n", "an object of nothing"),
}  # fmt: skip
_BY_NAME = Template('''"""Reads the log of $name: $family, with or without a syslog header.

$begun
"""

from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, common, ${tools}mapping, syslog

PLACES = {
$places
}
_SETTERS = mapping.setters({name: place for name, place in PLACES.items() if place})


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line; raises ParseError for what is none of $name."""
    line = syslog.read(raw)
$read
    if not said:
        raise ParseError("$nothing")
    fields = syslog.fields(line)
    fields["event.kind"] = "event"
    for name, value in said.items():
        if name in _SETTERS:
            _SETTERS[name](fields, str(value))
    rest = {name: value for name, value in said.items() if name not in _SETTERS}
    common.read(rest, fields, raw.received, raw.zone)
    yield fields
''')
_COLUMNS = """    cells = next(csv.reader([line.message], delimiter={delimiter!r}), [])
    if len(cells) != len(PLACES){header}:
        raise ParseError(f"{{len(cells)}} columns, not {{len(PLACES)}}")
    said = {{name: cell.strip() for name, cell in zip(PLACES, cells, strict=True) if cell.strip()}}
"""
_BY_FORM = Template('''"""Reads the log of $name: sentences, with or without a syslog header.

Begun by `sentinel packs new`: name the groups, give each its field, and say what a form means (event.action,
event.category, event.type, event.outcome). What no form says is read from the words, as far as they are plain.
"""

import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, mapping, prose, syslog

MESSAGE_MAX = 4_096
# the sentence, the field of each of its groups, what it means
_FORMS: tuple[tuple[re.Pattern[str], dict[str, str], Fields], ...] = (
$forms
)
_SETTERS = mapping.setters({place: place for _, places, _ in _FORMS for place in places.values()})


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line; raises ParseError for what has neither a syslog header nor a form."""
    line = syslog.read(raw)
    fields = syslog.fields(line)
    fields["event.kind"] = "event"
    found, places, means = next(_fitting(line.message[:MESSAGE_MAX]), (None, {}, {}))
    if found is None and line.timestamp is None:
        raise ParseError("no line of $name")
    fields.update(means)
    if found is not None:
        for group, place in places.items():
            _SETTERS[place](fields, found[group])
    prose.sentence(line.message, fields, raw.received, raw.zone)
    yield fields


def _fitting(message: str) -> Iterator[tuple[re.Match[str], dict[str, str], Fields]]:
    for form, places, means in _FORMS:
        if found := form.fullmatch(message):
            yield found, places, means
''')
_BY_TOOL = Template('''"""Reads the log of $name: $family, with or without a syslog header.

Begun by `sentinel packs new`: say what the product's own event classes mean (event.category, event.type).
"""

from collections.abc import Iterator

from sentinel.pack import Fields, Raw, $family, syslog, text


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line; raises ParseError for what is none of $name."""
    record = $family.read(text.decode(raw.body))
    yield syslog.fields(syslog.read(raw)) | $family.fields(record, raw.received, raw.zone)
''')
_MANIFEST = Template("""title = "$name"
dataset = "$name.log"
reference = "https://example.org/where-the-vendor-describes-this-log"

$match""")
_NO_MATCH = """# nothing in the sample tells these lines from others: name the pack in the source, `pack = "{name}"`,
# or say here how they are recognised (see `sentinel packs list` for others, and deploy/docs/packs.md)
"""


def begin(name: str, sample: Path, into: Path) -> tuple[Path, Guess]:
    """Write the folder `into`/`name`; return it and what was guessed. Raises UsageError; writes nothing over."""
    folder = into / name
    if not PACK_NAME.fullmatch(name):
        raise UsageError(f"{name!r}: a pack is named in lower case letters, digits and _")
    if folder.exists():
        raise UsageError(f"{folder} is there already: choose another name, or work on that one")
    lines = _lines(sample)
    guessed = guess(lines, harness.RECEIVED)
    samples = folder / "samples"
    samples.mkdir(parents=True)
    (folder / "pack.toml").write_text(_manifest(name, guessed), "utf-8")
    (folder / "parser.py").write_text(_parser(name, guessed), "utf-8")
    (samples / f"{name}.log").write_text("".join(line + "\n" for line in lines[guessed.header :]), "utf-8")
    (samples / harness.BROKEN).write_text("".join(line + "\n" for line in _broken(lines[-1])), "utf-8")
    harness.bless(folder)
    return folder, guessed


def _lines(sample: Path) -> list[str]:
    try:
        with sample.open("rb") as file:
            text = file.read(BYTES_MAX).decode("utf-8", "replace")
    except OSError as error:
        raise UsageError(f"{sample}: {error.strerror}") from error
    lines = [line for line in text.splitlines() if line.strip()][:LINES_MAX]
    if not lines:
        raise UsageError(f"{sample} holds no line: give some that the product wrote")
    return lines


def _broken(line: str) -> Iterator[str]:
    yield line[: len(line) // 2]
    yield line.replace(" ", ' "\\x1b[2J', 1)
    yield "this is no line of that product"


def _manifest(name: str, guessed: Guess) -> str:
    if guessed.apps:
        match = f"[match]\napp = [{', '.join(map(_quoted, guessed.apps))}]\n"
    elif guessed.family == "pairs":
        telling = ", ".join(_quoted(f"{key}=") for key in list(guessed.places)[:3])
        match = f"[match]\ncontains_all = [{telling}]\n"
    elif guessed.family == "json":
        telling = ", ".join(f"'\"{key.partition('.')[0]}\"'" for key in list(guessed.places)[:3])
        match = f"[match]\ncontains_all = [{telling}]\n"
    else:
        match = _NO_MATCH.format(name=name)
    return _MANIFEST.substitute(name=name, match=match)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _parser(name: str, guessed: Guess) -> str:
    family = {"pairs": "key=value", "json": "JSON objects", "columns": "columns"}.get(guessed.family, guessed.family)
    places = "\n".join(f"    {key!r}: {place!r}," for key, place in guessed.places.items())
    if guessed.family in {"cef", "leef"}:
        return _BY_TOOL.substitute(name=name, family=family)
    if guessed.family == "sentences":
        return _BY_FORM.substitute(name=name, forms=_forms(guessed))
    if guessed.family == "columns":
        read = _COLUMNS.format(delimiter=guessed.delimiter, header=" or cells == list(PLACES)" * guessed.header)
        whole = _BY_NAME.substitute(
            name=name, family=family, begun=_BEGUN, tools="", places=places, read=read.rstrip("\n"), nothing="no column"
        )
        return whole.replace("from collections", "import csv\nfrom collections", 1)
    tools, read, nothing = _ROWS[guessed.family]
    return _BY_NAME.substitute(
        name=name, family=family, begun=_BEGUN, tools=tools, places=places, read=read.rstrip("\n"), nothing=nothing
    )


def _forms(guessed: Guess) -> str:
    return "\n".join(_row(form.example, form.regex, form.places) for form in guessed.forms)


def _row(example: str, regex: str, places: dict[str, str]) -> str:
    known = {group: place for group, place in places.items() if place}
    return (
        f"    # {_shown(example)}\n    (\n        re.compile({_raw(regex)}),\n        {known!r},\n        {{}},\n    ),"
    )


def _raw(regex: str) -> str:
    plain = '"' not in regex and regex.isprintable() and not regex.endswith("\\")
    return f'r"{regex}"' if plain else repr(regex)


def _shown(example: str, most: int = 100) -> str:
    words: Sequence[str] = [word for word in example.split() if word.isprintable()]
    return " ".join(words)[:most]
