"""One module per verb; this one knows their names and turns errors into exit codes."""

import os
import sys
from typing import Any

from sentinel.core.errors import Exit, SentinelError

VERBS = {
    "console": "The screens: alerts, events, sources, rules and cases at the keyboard.",
    "run": "Run Sentinel: receive, parse, store, judge.",
    "query": "Find events.",
    "sources": "Who sends: cadence, lag, owner, who is silent.",
    "status": "Whether the books balance and how far each stage has come.",
    "alerts": "Work alerts: list, show, ack, assign, close, undo, watch.",
    "incidents": "Alerts that belong together: list, show.",
    "cases": "What a team does about one thing: new, events, note, task, export, verify.",
    "entity": "What is known of a host, user, address, mail address or file; a host's processes.",
    "network": "Which segments speak to which, and what the sensor found between them.",
    "rules": "Sigma rules: list, check, test, coverage.",
    "health": "For monitoring: whether events are stored and judged.",
    "notify": "Notifications: list, test.",
    "audit": "Who did what: list, verify, anchor.",
    "ledger": "Which minutes each rule has judged; judge what was missed: fill.",
    "packs": "Parser packs: list, test.",
    "assets": "The inventory: list, show.",
    "odd": "What one site does and the others of its kind do not; the card for the person on site.",
    "calendar": "What is open now and why; the closed days to come.",
    "indicators": "Lists of indicators: list, match, retro.",
    "parse": "Read log lines from standard input and print ECS.",
    "import": "Bring in log files, .evtx files or standard input.",
    "sense": "Read packets: flows, DNS, TLS and findings.",
    "tap": "Watch records or events go by.",
    "replay": "Bring records in again; nothing is stored twice.",
    "spool": "Look into the spool: stats, cat, fsck.",
    "deadletter": "Records that no pack could read: list, show, replay.",
    "retention": "What is older than it may be: check, run.",
    "backup": "All that Sentinel knows, copied while it works, and back: make, verify, restore.",
    "repair": "After a pack or rule has changed: read and judge again what is affected.",
    "store": "Set an Elasticsearch server up and say what it can do: setup.",
    "check": "Check configuration, packs and rules without starting.",
    "doctor": "Look for what keeps Sentinel from working on this machine.",
    "config": "Explain options: explain, example.",
    "bench": "Measure: ingest, parse, detect, query; prove: lateness, week, city.",
    "demo": "Show a small model city under attack.",
    "simulate": "Let a model city live: as files for a replay, or in real time.",
}
"""Every verb and its one line of help; the module of the same name (`import_` for `import`) is loaded when called."""


def main() -> Any:  # noqa: ANN401  typer's own type
    """Start the command line; every error Sentinel raises on purpose ends here with its exit code."""
    words = sys.argv[1:]
    if not words and sys.stdin.isatty() and sys.stdout.isatty():
        # without words, on a terminal, people want the console
        words = ["console"]
    try:
        if words[:1] == ["console"] and len(words) <= 3 and not any(one.startswith("-") for one in words):
            # the console opens before typer would have been loaded
            from sentinel.cli.terminal import opened

            screen, subject = [*words[1:], "", ""][:2]
            return opened(screen, subject)
        from sentinel.cli.tree import app

        return app(words, prog_name="sentinel")
    except SentinelError as error:
        _talk(f"sentinel: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        # the reader has seen enough (`sentinel query … | head`); keep Python from complaining at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.OK)
    except Exception:  # noqa: BLE001  the last place: whatever it is, it is a defect of ours and gets its exit code
        import traceback

        _talk(f"{traceback.format_exc()}\nsentinel: this is a defect in Sentinel; please report the lines above")
        sys.exit(Exit.INTERNAL)
    finally:
        _tell_what_is_missing()


def _tell_what_is_missing() -> None:
    copies = sys.modules.get("sentinel.core.replica")
    for why in sorted(set(copies.behind().values())) if copies is not None else ():
        _talk(f"sentinel: what other machines have written meanwhile is not in this: {why}")


def _talk(message: str) -> None:
    from sentinel.cli.common import talk

    talk(message, "red")
