"""Cases and incidents: worked by keyboard, nobody overwrites anybody, and what is written out proves itself."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from sentinel.cases.export import verify
from sentinel.core.case import AddTask, Rename, SetDeadline
from tests.living import LOGIN, City
from tests.ui.console.conftest import NOW, At, Hands

HOUR = timedelta(hours=1)


@pytest.fixture
def working(city: City) -> City:
    """Return the city with two alerts about one address, a case with a task and a deadline, and a closed one."""
    for host in ("srv-01", "srv-02"):
        city.judge([city.event(LOGIN | {"host.name": host, "event.original": f"{host} \x1b[31mroot"}, NOW - HOUR)])
    with city.app.cases() as book:
        book.create("Phishing in the treasury", "anna", "three mails")
        book.change(1, AddTask("reset the password"), "anna")
        book.change(1, SetDeadline(NOW + 30 * HOUR), "anna")
    return city


async def fill(hands: Hands, **fields: str) -> None:
    """Fill in the form in view and send it."""
    for name, text in fields.items():
        hands.console.screen.query_one(f"#field-{name}").value = text  # type: ignore[attr-defined]  # an input
    await hands.press(*["enter"] * len(fields))


def test_a_case_is_opened_worked_and_closed_by_keyboard(working: City, desk_at: At) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("0")
        assert "Phishing" in hands.line("● 1 d 6 h")
        assert "☐ reset the password" in hands.seen()
        await hands.press("C")
        await fill(hands, title="A laptop is lost", note="in the tram")
        assert "in the tram" in hands.seen()
        await hands.press("plus")
        await fill(hands, text="lock the account")
        await hands.press("D")
        await fill(hands, at="yesterday")
        assert "say 72h" in hands.seen()
        await fill(hands, at="72h")
        assert "100 % left" in hands.seen()
        await hands.press("i")
        await fill(hands, name="anna")
        await hands.press("N")
        await fill(hands, note="found again")
        await hands.press("space")
        assert "there is no task under the cursor" in hands.seen()
        for _ in range(20):
            if hands.console.page.why_not("toggle"):
                await hands.press("j")
        await hands.press("space")
        assert "☑ lock the account" in hands.seen()
        assert "found again" in hands.seen()
        await hands.press("c")
        await fill(hands, why="it was in the bag")
        await hands.press("plus")
        assert "the case is closed; open it again first" in hands.seen()

    desk_at(play)
    with working.app.cases() as book:
        case = book.case(2)
        assert book.case(1).state == "open"
    assert (case.state, case.members, case.tasks[0].done, case.timeline[-1].note) == (
        "closed", ("anna", "mh"), True, "it was in the bag",
    )  # fmt: skip


def test_who_changes_a_case_second_is_told_what_was_changed_by_whom(working: City, desk_at: At) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("E")
        with working.app.cases() as book:
            book.change(1, Rename("Spear phishing"), "anna")
        await fill(hands, title="Spam")
        assert "anna renamed it Spear phishing" in hands.seen()
        assert "1 Spear phishing" in hands.seen()
        await hands.press("E")
        await fill(hands, title="Spam")
        assert "renamed it Spam" in hands.seen()

    desk_at(play, screen="case", subject="1", size=(160, 45))


def test_alerts_come_into_a_case_with_their_evidence_and_it_is_written_out(
    working: City, desk_at: At, tmp_path: Path, pictured: Callable[[Hands, str], None]
) -> None:
    with working.app.book() as book:
        ids = [one.id for one in book.alerts()]

    async def play(hands: Hands) -> None:
        await hands.press("space", "space", "e")
        assert "Put 2 alerts into which case?" in hands.seen()
        await hands.press("down", "enter")
        assert "Alerts of the case (2)" in hands.seen()
        assert "Evidence kept (2 events)" in hands.seen()
        assert "\x1b" not in hands.seen()
        pictured(hands, "case")
        await hands.press("G", "enter")
        assert "evidence of alert" in hands.seen()
        await hands.press("escape", "X")
        await fill(hands, to=str(tmp_path / "case-1"))
        assert "manifest.json" in hands.seen()
        assert "2 events kept" in hands.seen()
        await hands.press("escape", "X")
        await fill(hands, to=str(tmp_path / "case-1"))
        assert "is there already" in hands.seen()

    desk_at(play, screen="alerts")
    assert verify(tmp_path / "case-1")[1] == []
    with working.app.cases() as book_:
        assert set(book_.case(1).alerts) == set(ids)


def test_an_incident_shows_its_risk_and_becomes_a_case(
    working: City, desk_at: At, pictured: Callable[[Hands, str], None]
) -> None:
    async def play(hands: Hands) -> None:
        await hands.press("I")
        assert "203.0.113.66" in hands.seen()
        assert "Risk" in hands.seen()
        pictured(hands, "incidents")
        await hands.press("e", "enter")
        await fill(hands, title="Root from outside", note="")
        assert "Alerts of the case (2)" in hands.seen()

    del working
    desk_at(play)


def test_the_cases_are_as_they_were_pictured(
    working: City, desk_at: At, pictured: Callable[[Hands, str], None]
) -> None:
    async def play(hands: Hands) -> None:
        pictured(hands, "cases-narrow")
        await hands.press("m")
        await hands.press("enter")
        pictured(hands, "case-de-narrow")

    del working
    desk_at(play, screen="cases", size=(80, 24))
