"""The console's two themes; every tone has a contrast of 4.5:1 or more on every ground (WCAG 2.2, 1.4.3)."""

from typing import TYPE_CHECKING

from sentinel.ui.console.draw import Look

if TYPE_CHECKING:
    from textual.theme import Theme

NIGHT = Look(
    "night",
    dark=True,
    tones={
        "plain": "#d8dee9",
        "muted": "#acb6c7",
        "strong": "bold #eceff4",
        "title": "bold #8fc7e8",
        "accent": "#8fd0dc",
        "link": "#8fd0dc",
        "key": "bold #8fc7e8",
        "good": "#a3d977",
        "warning": "bold #ffb454",
        "bad": "bold #ff9a9a",
        "critical": "bold #ffffff on #b3001b",
        "high": "bold #ffb454",
        "medium": "#f0c674",
        "low": "#a8c7e6",
        "informational": "#acb6c7",
    },
    grounds={
        "base": "#1e222a",
        "bar": "#353c4a",
        "panel": "#262b35",
        "cursor": "#1f4560",
        "cursor_away": "#313a47",
        "mark": "#3a3550",
    },
)
DAY = Look(
    "day",
    dark=False,
    tones={
        "plain": "#1c2430",
        "muted": "#48525f",
        "strong": "bold #000000",
        "title": "bold #0b4a75",
        "accent": "#0b4a75",
        "link": "#0b4a75",
        "key": "bold #0b4a75",
        "good": "#155724",
        "warning": "bold #7a3d00",
        "bad": "bold #8f0012",
        "critical": "bold #ffffff on #a80019",
        "high": "bold #7a3d00",
        "medium": "#634500",
        "low": "#1d4e79",
        "informational": "#48525f",
    },
    grounds={
        "base": "#fbfbf8",
        "bar": "#dfe4ea",
        "panel": "#f0f2f4",
        "cursor": "#c4dff2",
        "cursor_away": "#dde6ee",
        "mark": "#e6ddf5",
    },
)
LOOKS = {look.name: look for look in (NIGHT, DAY)}


def theme(look: Look) -> "Theme":
    """Return a look as Textual's own widgets (the inputs, the scroll bars) need it."""
    from textual.theme import Theme  # noqa: PLC0415  the values above are of use without Textual

    return Theme(
        look.name,
        primary=look.tones["accent"],
        foreground=look.tones["plain"],
        background=look.grounds["base"],
        surface=look.grounds["panel"],
        panel=look.grounds["bar"],
        warning=look.tones["warning"].split()[-1],
        error=look.tones["bad"].split()[-1],
        success=look.tones["good"],
        dark=look.dark,
        variables={
            "scrollbar": look.grounds["bar"],
            "scrollbar-background": look.grounds["panel"],
            "input-cursor-background": look.tones["plain"],
            "input-cursor-foreground": look.grounds["base"],
        },
    )
