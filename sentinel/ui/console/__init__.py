"""The console: a security team's whole day in a terminal.

How to add a screen
-------------------
1. One module in `screens/`, with one subclass of `Page`: `NAME` (what `:` calls it), `KEY` (1 to 9, 0, A; "" if it is
   only opened from others), `LABEL = N_("Hunt")`, `ACTIONS = (Action("save", N_("Save"), N_("Save the question")),)`.
   It is there because the file is there.
2. `body()` yields widgets: a `Table` (any number of rows, `Rows` answers for windows of them), `Pane`s (lines that
   scroll; class `side`: what `z` hides), `Said` (lines made when drawn), `Input(id="filter")` for what is typed.
3. `entered()` asks: `self.ask("name", question, then)`. `question` runs in a thread and may block and use
   `self.services`; `then` gets the answer in the screens' thread. Waiting, time-outs and errors are told by the frame.
4. An action `save` is done by `do_save()`; `reason("save")` says why not now, or "". `do_filter`, `do_sort`,
   `do_load_new`, `do_undo`, `do_follow`, `do_earlier`, `do_later` are yours if they make sense; what you do not
   define is greyed. Keys stand in `keys/<NAME>.toml` (`save = ["S"]`), no key in the code.
5. Texts: `_("…")` when drawn, `N_("…")` in class bodies, `ngettext("{n} event", "{n} events", n)`; German in
   `words/de/<NAME>.po`. `number()` and `moment()` write numbers and times. Make texts when they are drawn, in `Said`
   and in `Pane(tell)`, so that `m` changes them at once.
6. Nothing is handed to Textual as `str`: everything is drawn from pieces `(text, tone)` and `Line`s, which pass
   `visible` in `draw.strip`. `Static`, `Label`, `notify` and the like are refused by a test in `tests/house`.
7. `Line.go = ("entity", "host.name=web-1")` makes a line a link; `self.console.open("alert", id)` opens a screen about
   something (`self.subject`). `remembered()` and `recall()` keep a filter over the night; `copies()` feeds `y`.
8. Forms: `self.console.push_screen(Form(title, [Field("reason", _("Reason"), check=said)]), then)`; a few things to
   choose from: `self.console.choose(title, [Choice(…)], then)`. Drawing: `sparkline`, `histogram`, `facts`, `sign`.
9. What a screen has to know and `Services` has not: a field there, a protocol in `sentinel/core` if stages share it,
   its wiring in `sentinel/console.py`. Nothing heavy is imported at the top of a screen's module.
10. Tests: `tests/ui/console/conftest.py` has `desk_at` (a console over a real book and store, by Pilot), `pictured`
   (SVG snapshots) and `Terminal` (a real process on a pseudo-terminal).
"""
