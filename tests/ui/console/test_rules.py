"""Rules & ATT&CK: how each rule stands and why, how it has fared, and what of ATT&CK has rule, data and alerts."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from sentinel.surveys import Surveyor
from sentinel.ui.console.surveys import RulesSurvey, RuleSurvey
from tests.living import City
from tests.ui.console.conftest import SIZES, At, Hands

BROKEN = "title: Broken\nid: 0b5d61a9-0000-4000-8000-000000000001\ndetection: {}\n"


@pytest.fixture
def ruled(city: City) -> City:
    """Return the city with a rule that is refused, and an alert of another that a person called false."""
    (city.folder / "rules" / "broken.yml").write_text(BROKEN)
    city.login()
    city.clock.advance(timedelta(minutes=1))
    with city.app.desk() as desk:
        desk.close(desk.alerts()[0].id, "mh", "false_positive", "the backup")
    return city


@pytest.mark.parametrize("size", SIZES[:2])
def test_a_rule_is_found_by_typing_and_told_in_full(ruled: City, desk_at: At, size: tuple[int, int]) -> None:
    async def play(hands: Hands) -> None:
        assert "1 refused" in hands.seen()
        assert "broken" in hands.line("✗ refused")
        await hands.press("slash")
        await hands.write("root logged")
        assert "Root logged in" in hands.line("CRIT ● on")
        if size[0] == 120:
            assert "100 % of 1 verdict (" in hands.line("false positives")
            assert "T1078" in hands.line("techniques ")
            await hands.press("enter", "tab", "G")
            assert "logsource:" in hands.seen() or "condition:" in hands.seen()

    del ruled
    desk_at(play, size=size, screen="rules")


def test_a_technique_says_whether_it_has_a_rule_data_and_alerts(ruled: City, desk_at: At) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("C")
        assert "have a rule" in hands.seen()
        await hands.press("slash")
        await hands.write("t1078.003")
        row = hands.line("Initial Access")
        assert row.count("● yes") == 3, row
        await hands.press("enter", "slash", *["backspace"] * 9)
        await hands.write("reconnaissance")
        assert "– no" in hands.line("Reconnaissance  ").partition("T1")[2]
        await hands.press(*["backspace"] * 14)
        await hands.write("t1078.003")
        await hands.press("enter")
        await hands.press("enter")
        assert "Root logged in" in hands.seen()

    del ruled
    desk_at(play, screen="rules")


class Few(Surveyor):
    """Who knows four rules only: the shipped ones change with every pack."""

    def rules(self) -> RulesSurvey:
        """Return the same rules always."""
        root = RuleSurvey(
            "1", "Root logs in", "critical", "on", "", "root.yml", ("sshd.log",), 3, 1, 2, (0.5, 0.09, 0.91),
            ("T1021.004",), "Somebody logs in as root.", ("the backup",), "The city",
        )  # fmt: skip
        none = RuleSurvey("2", "Proxy", "low", "never", "no source sends squid.access", "proxy.yml")
        slow = RuleSurvey("3", "Slow", "high", "aside", "set aside: it took 30 s", "slow.yml")
        return RulesSurvey((root, none, slow, RuleSurvey("", "broken", None, "refused", "no title", "b.yml")), (), "")

    def sigma(self, path: str) -> str:
        """Return the text of a rule."""
        return f"title: {path}\ndetection: \x1b[31m"


def test_it_looks_like_this(city: City, desk_at: At, pictured: Callable[[Hands, str], None]) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("m", "G", "k")
        assert "detection:" in hands.seen()
        assert "\x1b" not in hands.seen()
        pictured(hands, "rules-de")

    desk_at(play, screen="rules", but=lambda given: replace(given, surveys=lambda: Few(city.app)))


def test_a_rule_leads_to_its_alerts_and_one_that_is_refused_says_why_not(ruled: City, desk_at: At) -> None:
    opened: list[tuple[str, str]] = []

    async def play(hands: Hands) -> None:
        hands.console.open = lambda name, subject="": opened.append((name, subject))  # type: ignore[method-assign]
        await hands.press("enter")
        assert "a rule that is refused has no alerts" in hands.seen()
        await hands.press("j", "enter")

    del ruled
    desk_at(play, screen="rules")
    assert opened == [("alerts", 'rule:"Root logged in over SSH from the Internet"')]


def test_a_rule_that_was_mended_is_read_anew(ruled: City, desk_at: At) -> None:
    async def play(hands: Hands) -> None:
        assert "broken" in hands.line("✗ refused")
        (ruled.folder / "rules" / "broken.yml").unlink()
        await hands.press("n")
        assert "✗ refused" not in hands.seen()

    desk_at(play, screen="rules")
