"""The site card: one page in plain German, whatever strangers call their servers and cities their schools."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, tzinfo
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.core.odd import FeatureName, Odd, Ranking, Trait
from sentinel.ui import sitecard

GOLDEN = Path(__file__).parent / "golden"
ZONE = ZoneInfo("Europe/Berlin")
CONTACT = "Telefon 0341 555 0110"
TRAIT = Trait(
    "name", "updates-check.example", 88.4, 1, 85, 9, 2, 61, 1, "10.20.42.17", 601.0, 0.91, 0, 10,
    datetime(2026, 11, 26, 5, 31, tzinfo=UTC), datetime(2026, 11, 26, 16, 11, tzinfo=UTC), "0f" * 16,
)  # fmt: skip
ALSO = replace(TRAIT, feature="user_agent", value="Fetch/0", score=71.0)
ODD = Odd("Grundschule am Park", (TRAIT, ALSO))
RANKING = Ranking("school", date(2026, 11, 26), 85, off=False, days=10, odd=(ODD,))
Draw = Callable[[Ranking, Odd, str, tzinfo], str]
A4_LINES = 58
ALLOWED = {"html", "head", "meta", "title", "style", "body", "p", "h1", "h2", "ul", "ol", "li"}


class Tags(HTMLParser):
    """Collects what a browser would see as tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.found.update(name for name, _ in attrs if name.startswith("on") or name in {"src", "href"})


@pytest.mark.parametrize(("name", "draw"), [("sitecard.txt", sitecard.text), ("sitecard.html", sitecard.page)])
def test_the_card_is_as_it_was_read_by_a_person(name: str, draw: Draw, blessing: bool) -> None:  # noqa: FBT001  a fixture
    drawn, path = draw(RANKING, ODD, CONTACT, ZONE), GOLDEN / name
    if blessing:
        path.write_text(drawn, "utf-8")
    assert drawn == path.read_text("utf-8")


@pytest.mark.parametrize("feature", ["name", "address", "port", "user_agent", "dns", "process"])
@settings(max_examples=25)
@given(value=st.text(min_size=1, max_size=300), site=st.text(min_size=1, max_size=300), device=st.text(max_size=300))
def test_hostile_names_act_neither_on_a_terminal_nor_in_a_browser(
    feature: FeatureName, value: str, site: str, device: str
) -> None:
    odd = Odd(
        site, (replace(TRAIT, feature=feature, value=value, device=device), replace(ALSO, value=value, device=device))
    )
    drawn = sitecard.text(RANKING, odd, value, ZONE)
    assert all(char.isprintable() or char == "\n" for char in drawn)
    assert all(len(line) <= sitecard.WIDTH for line in drawn.splitlines())
    assert len(drawn.splitlines()) <= A4_LINES
    assert Tags(sitecard.page(RANKING, odd, value, ZONE)).found <= ALLOWED


def test_markup_in_a_name_stays_text() -> None:
    odd = Odd("<b>Schule</b>", (replace(TRAIT, value='"><script src=//x.example>\x1b[2J'),))
    page = sitecard.page(RANKING, odd, "", ZONE)
    assert "&lt;b&gt;Schule&lt;/b&gt;" in page
    assert "<script" not in page
    assert "\x1b" not in page


@pytest.mark.parametrize("feature", ["name", "address", "port", "user_agent", "dns", "process"])
def test_no_words_of_the_trade_stand_on_it(feature: FeatureName) -> None:
    odd = Odd("Schule", (replace(TRAIT, feature=feature, value="TXT x.example"), ALSO))
    body = sitecard.text(RANKING, odd, CONTACT, ZONE).partition("Für die IT-Sicherheit")[0]
    assert not re.search(r"\b(IP|DNS|User[- ]Agent|Beacon|Host|Prozess|Domain|Score|Client)\b", body)


def test_several_schools_and_devices_are_told_as_they_are() -> None:
    odd = Odd("Schule", (replace(TRAIT, sites=3, devices=4, rhythm=0.2, closed_hours=0),))
    text = " ".join(sitecard.text(RANKING, odd, "", ZONE).split())
    assert "Von 85 Schulen tun das nur 3, darunter Ihre Schule." in text
    assert "4 Geräte in Ihrer Schule fallen auf" in text
    assert "Programm." not in text.partition("Welches Gerät".upper())[0]
    assert "geschlossen" not in text


def test_a_place_that_is_no_school_is_not_called_one() -> None:
    text = sitecard.text(replace(RANKING, kind="office"), ODD, "", ZONE)
    assert "Von 85 Standorten tut das nur Ihr Standort." in " ".join(text.split())
    assert "Schule" not in text.replace(ODD.site, "").replace("Grundschule", "")
