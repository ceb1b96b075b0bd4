"""Draws deploy/demo.svg, the picture in README.md: the console over the alerts of the demo.

./deploy/demo                                                         # in one terminal: it says where its options are
PYTHONPATH=. .venv/bin/python tests/bench/picture.py --config FILE    # in another
"""

import argparse
import asyncio
import re
from dataclasses import replace
from pathlib import Path

from sentinel.app import App
from sentinel.config import data_folder, load
from sentinel.console import services
from sentinel.core.clock import SystemClock
from sentinel.ui.console.app import Console
from sentinel.ui.console.draw import LEVEL_WORDS

SIZE = (120, 34)
DOWN = 4
"""So many alerts below the latest is one that many conditions and lines belong to."""
PICTURE = Path(__file__).parents[2] / "deploy" / "demo.svg"


async def drawn(config: Path) -> str:
    """Return the alerts with one under the cursor, as SVG without fonts from elsewhere."""
    with services(lambda: App(load(config)), data_folder(config), SystemClock(), "erika") as given:
        console = Console(replace(given, place="stadt-muster"), "alerts")
        async with console.run_test(size=SIZE) as pilot:
            await settled(console)
            await pilot.press(*["down"] * DOWN)
            await settled(console)
            return re.sub(r'url\("http[^"]*"\)', 'url("")', console.export_screenshot(title="sentinel console"))


async def settled(console: Console, seconds: float = 3.0) -> None:
    """Wait until nothing has been asked for so long."""
    quiet = 0.0
    while quiet < seconds:
        await asyncio.sleep(0.1)
        quiet = 0.0 if console.asking.busy or console.page.resting else quiet + 0.1


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    picture = asyncio.run(drawn(parser.parse_args().config))
    assert any(word in picture for word in LEVEL_WORDS.values()), "there are no alerts yet; wait for the demo"
    PICTURE.write_text(picture, "utf-8")


if __name__ == "__main__":
    main()
