"""What can be done at the keyboard: an action has a name, which the key map gives keys, and words for the help."""

from dataclasses import dataclass

from sentinel.ui.words import N_


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do, by the screen's `do_<name>`; `label` stands in the footer ("": not there), `help` in the help.

    Both are marked by `N_` and translated when shown.
    """

    name: str
    label: str
    help: str


EVERYWHERE = (
    Action("open", N_("Open"), N_("Open what the cursor stands on")),
    Action("filter", N_("Filter"), N_("Show only what matches")),
    Action("load_new", N_("New"), N_("Load what is new")),
    Action("undo", N_("Undo"), N_("Undo what you did last")),
    Action("follow", "", N_("Follow: stay with the newest, or stop to")),
    Action("sort", "", N_("Choose the order")),
    Action("earlier", "", N_("A longer stretch of time")),
    Action("later", "", N_("A shorter stretch of time")),
    Action("copy", "", N_("Copy something, made harmless, to the clipboard")),
    Action("next_pane", "", N_("Go to the next part of the screen")),
    Action("last_pane", "", N_("Go to the part of the screen before")),
    Action("zoom", "", N_("Give this part of the screen all the room, or no longer")),
    Action("up", "", N_("One line up")),
    Action("down", "", N_("One line down")),
    Action("page_up", "", N_("One page up")),
    Action("page_down", "", N_("One page down")),
    Action("top", "", N_("To the first line")),
    Action("end", "", N_("To the last line")),
    Action("left", "", N_("Show what is further left")),
    Action("right", "", N_("Show what is further right")),
    Action("jump", "", N_("Go to any screen by its name")),
    Action("palette", N_("Palette"), N_("Find anything that can be done here, by its name")),
    Action("help", N_("Help"), N_("What can be done here, and with which key")),
    Action("language", "", N_("The other language")),
    Action("theme", "", N_("The other theme")),
    Action("back", "", N_("Back to where you came from; leave a field")),
    Action("leave", "", N_("Back; on the first screen: end")),
    Action("quit", "", N_("End the console")),
)
"""What every screen has, as far as it makes sense there; the key map calls it [everywhere]."""
