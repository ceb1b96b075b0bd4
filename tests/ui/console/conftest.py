"""A console to press keys on: over a real book and store by Textual's pilot, or as a real process in a terminal."""

import asyncio
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from textual.events import Key
from textual.pilot import Pilot
from textual.strip import Strip

from sentinel.console import services
from sentinel.core.clock import ManualClock
from sentinel.detect.rules import Rules
from sentinel.ui.console.app import Console
from sentinel.ui.console.screens import alerts
from sentinel.ui.console.services import Services
from sentinel.ui.words import learn, speak
from tests.living import LOGIN, City

SIZES = [(80, 24), (120, 36), (160, 45)]
NOW = datetime(2026, 11, 27, 6, 0, tzinfo=UTC)
FIRST, LAST = "203.0.113.66", "198.51.100.7"
Play = Callable[["Hands"], Awaitable[None]]


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Let it be the same place everywhere: Berlin's time, English, an operator without a past."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    for name in ("NO_COLOR", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    time.tzset()
    speak("en")
    learn({})
    monkeypatch.setattr(alerts, "REST_SECONDS", 0.001)
    yield
    monkeypatch.undo()
    time.tzset()
    speak("en")


@pytest.fixture
def city(tmp_path: Path) -> City:
    """Return a city whose clock stands at NOW, with an empty store."""
    return City(tmp_path, clock=ManualClock(NOW))


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory) -> City:
    """Make the busy city once: judging takes as long as all the tests that only look."""
    city = City(tmp_path_factory.mktemp("busy"), clock=ManualClock(NOW))
    city.keep([city.event(LOGIN | {"event.action": "ssh_failed", "event.outcome": "failure"})])
    city.login()
    city.login(after=timedelta(hours=1), source_ip=LAST)
    return city


@pytest.fixture
def busy(city: City, _template: City) -> City:
    """Return the city with two alerts: root came from outside, from two addresses, one an hour after the other."""
    shutil.copytree(_template.folder / "data", city.folder / "data", dirs_exist_ok=True)
    city.clock.moment, city.stored = _template.clock.moment, _template.stored
    return city


class Hands:
    """Somebody at the console's keyboard."""

    def __init__(self, console: Console, pilot: Pilot[None]) -> None:
        self.console = console
        self.pilot = pilot

    async def press(self, *keys: str) -> None:
        """Press keys, named as Textual names them, and wait until every question has its answer."""
        await self.pilot.press(*keys)
        await self.settled()

    async def press_at_once(self, *keys: str) -> None:
        """Press keys so quickly that the console finds all of them when it looks for the first."""
        for key in keys:
            self.console.post_message(Key(key, key if len(key) == 1 else " " if key == "space" else None))
        await self.settled()

    async def write(self, text: str) -> None:
        """Write a text, key by key."""
        for char in text:
            await self.pilot.press("space" if char == " " else char)
        await self.settled()

    async def settled(self) -> None:
        """Wait until nothing is asked any more and all is drawn."""
        for _ in range(2_000):
            await self.pilot.pause()
            if not self.busy:
                await self.pilot.pause()
                if not self.busy:
                    return
            await asyncio.sleep(0.005)
        pytest.fail("a question has had no answer for 10 s")

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited, or something is asked as soon as the cursor rests."""
        return self.console.asking.busy or self.console.page.resting

    def seen(self) -> str:
        """Return what stands on the screen, line by line."""
        return "\n".join(lines(self.console))

    def line(self, containing: str) -> str:
        """Return the first line of the screen with this text."""
        found = [line for line in lines(self.console) if containing in line]
        assert found, f"{containing!r} is not on the screen:\n{self.seen()}"
        return found[0]


def lines(console: Console) -> list[str]:
    """Return what a console shows, without colours."""
    return ["".join(segment.text for segment in strip).rstrip() for strip in _strips(console)]


def _strips(console: Console) -> list[Strip]:
    return console.screen._compositor.render_strips()


class At:
    """Consoles over one city."""

    def __init__(self, city: City, rules: Rules | None) -> None:
        self.city = city
        self._rules = rules

    def __call__(
        self,
        play: Play,
        *,
        size: tuple[int, int] = (120, 36),
        screen: str = "alerts",
        subject: str = "",
        who: str = "mh",
        but: Callable[[Services], Services] = lambda given: given,
    ) -> None:
        """Open a console and let `play` use it; `but` may put something else behind a service."""

        async def run() -> None:
            app = self.city.app
            if self._rules is not None:
                app.rules = self._rules
            with services(lambda: app, app.config.data, app.clock, who) as given:
                console = Console(but(replace(given, place="stadt-muster")), screen, subject)
                async with console.run_test(size=size) as pilot:
                    hands = Hands(console, pilot)
                    await hands.settled()
                    await play(hands)
                    await hands.settled()

        asyncio.run(run())


@pytest.fixture(scope="session")
def _rules(_template: City) -> Rules:
    """Read the shipped rules once."""
    return _template.app.rules


@pytest.fixture
def desk_at(city: City, request: pytest.FixtureRequest) -> At:
    """Return what opens a console over the city: `desk_at(play, size=(80, 24), screen="alerts")`."""
    return At(city, request.getfixturevalue("_rules") if "busy" in request.fixturenames else None)


# -- pictures

PICTURES = Path(__file__).parent / "pictures"


def picture(console: Console) -> str:
    """Return a screen as text: its lines, then for each line where which style begins, by a letter, and the letters."""
    letters: dict[str, str] = {}
    text, styles = [], []
    for strip in _strips(console):
        at = 0
        runs: list[str] = []
        for segment in strip:
            look = str(segment.style)
            letter = letters.setdefault(look, chr(ord("A") + len(letters)))
            if not runs or runs[-1][0] != letter:
                runs.append(f"{letter}{at}")
            at += segment.cell_length
        text.append("".join(segment.text for segment in strip).rstrip())
        styles.append(" ".join(runs))
    legend = [f"{letter} {look}" for look, letter in letters.items()]
    return "\n".join([*text, "", *styles, "", *legend, ""])


@pytest.fixture
def pictured(blessing: bool, request: pytest.FixtureRequest) -> Callable[[Hands, str], None]:  # noqa: FBT001  a fixture
    """Return what compares a screen with `pictures/<name>.screen` (`--bless` writes it).

    With SENTINEL_TEST_PICTURES a folder, an SVG for people's eyes is written there too.
    """

    def compare(hands: Hands, name: str) -> None:
        path = PICTURES / f"{name}.screen"
        eyes = os.environ.get("SENTINEL_TEST_PICTURES")
        if eyes:
            Path(eyes).mkdir(exist_ok=True)
            (Path(eyes) / f"{name}.svg").write_text(hands.console.export_screenshot())
        seen = picture(hands.console)
        if blessing:
            PICTURES.mkdir(exist_ok=True)
            path.write_text(seen, "utf-8")
        assert path.read_text("utf-8") == seen

    return compare


# -- a real process in a terminal


class Terminal:
    """`sentinel <words>` in a terminal of its own (tmux), and every byte it has written there."""

    def __init__(self, folder: Path, *words: str, size: tuple[int, int] = (120, 36), **environment: str) -> None:
        self._folder = folder
        self._socket = folder / "tmux"
        self.bytes_file = folder / "bytes"
        environment = {"PYTHONPATH": str(Path.cwd()), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"} | environment
        command = shlex.join([sys.executable, "-m", "sentinel", *words])
        script = f"unset COLUMNS LINES; stty -a >{folder}/before; {command}; code=$?; stty -a >{folder}/after; "
        script += f"echo $code >{folder}/code; exec sleep 600"
        settings = [part for name, value in environment.items() for part in ("-e", f"{name}={value}")]
        self._tmux("new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), *settings, "sh", "-c", "exec sleep 600")
        self._tmux("set-option", "-g", "remain-on-exit", "on")
        self._tmux("pipe-pane", f"cat >>{self.bytes_file}")
        self._tmux("respawn-pane", "-k", *settings, "sh", "-c", script)

    def _tmux(self, *words: str) -> str:
        tmux = shutil.which("tmux")
        assert tmux is not None, "the tests need tmux"
        done = subprocess.run([tmux, "-S", self._socket, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def send(self, *keys: str) -> None:
        """Press keys, named as tmux names them."""
        self._tmux("send-keys", *keys)

    def write(self, text: str) -> None:
        """Write a text."""
        self._tmux("send-keys", "-l", text)

    def screen(self) -> str:
        """Return what stands there."""
        return self._tmux("capture-pane", "-p")

    def until(self, text: str, seconds: float = 30.0) -> str:
        """Wait until a text stands there; return the screen."""
        return self.wait(lambda: text in self.screen(), seconds)

    def wait(self, holds: Callable[[], bool], seconds: float = 30.0) -> str:
        """Wait until something holds; return the screen."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, self.screen()
            time.sleep(0.05)
        return self.screen()

    def raw(self) -> bytes:
        """Return every byte that was written to the terminal."""
        return self.bytes_file.read_bytes() if self.bytes_file.exists() else b""

    def ended(self) -> int:
        """Wait for the end; return the exit code. The terminal's modes are as they were before."""
        code = self._folder / "code"
        self.wait(lambda: code.exists() and code.read_text() != "")
        assert (self._folder / "after").read_text() == (self._folder / "before").read_text()
        assert self._tmux("display-message", "-p", "#{alternate_on}").strip() == "0"
        return int(code.read_text())

    def close(self) -> None:
        """End what runs in it."""
        self._tmux("kill-server")


@pytest.fixture
def terminal(city: City) -> Iterator[Callable[..., Terminal]]:
    """Return what opens a terminal over the city: `terminal("console", "alerts", size=(80, 24), NO_COLOR="1")`."""
    opened: list[Terminal] = []

    def open_(*words: str, size: tuple[int, int] = (120, 36), **environment: str) -> Terminal:
        folder = city.folder / f"terminal-{len(opened)}"
        folder.mkdir()
        places = {name: os.environ[name] for name in ("TZ", "XDG_STATE_HOME", "XDG_CONFIG_HOME")}
        opened.append(
            Terminal(folder, *words, size=size, SENTINEL_CONFIG=str(city.config), **{**places, **environment})
        )
        return opened[-1]

    yield open_
    for one in opened:
        one.close()
