"""The one gate between untrusted text and a terminal: what `core.visible` makes harmless, without markup."""

from rich.text import Text

from sentinel.core.visible import visible

__all__ = ["safe", "visible"]


def safe(text: str, style: str = "") -> Text:
    """Return `text` as a rich value that is drawn literally: markup in it means nothing."""
    return Text(visible(text), style=style)
