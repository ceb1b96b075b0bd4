"""Questions to the stores, each in a thread of its own: the screens never wait, and tell that an answer is due."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from textual.message import Message
from textual.widget import Widget

from sentinel.core.errors import SentinelError
from sentinel.ui.words import _
from sentinel.ui.words.stages import retold

T = TypeVar("T")
ANSWER_SECONDS = 30.0
"""So long a question may take until the operator is told that nothing answers."""
ABANDONED_MAX = 16
"""So many questions may be left without an answer; then nothing more is asked until one of them ends."""


class Answered(Message):
    """A thread has ended; posted to the application, which gives it to its `Asking`."""

    def __init__(self, question: "Question", answer: object, error: BaseException | None) -> None:
        super().__init__()
        self.question = question
        self.answer = answer
        self.error = error


@dataclass(eq=False)
class Question:
    """One question: who wants to know, under which name, until when it may take (monotonic seconds)."""

    owner: Widget
    name: str
    ask: Callable[[], Any]
    then: Callable[[Any], None]
    failed: Callable[[str], None]
    seconds: float
    begun: float = 0.0
    given_up: bool = False

    @property
    def slot(self) -> tuple[int, str]:
        """What a newer question of the same kind takes the place of."""
        return id(self.owner), self.name


@dataclass
class Asking:
    """All questions of one application: of each kind one is asked at a time, and only the latest is kept waiting.

    `post` brings an answer back to the thread of the screens.
    """

    post: Callable[[Answered], object]
    _running: dict[tuple[int, str], Question] = field(default_factory=dict)
    _waiting: dict[tuple[int, str], Question] = field(default_factory=dict)
    _abandoned: set[Question] = field(default_factory=set)

    def ask(self, question: Question) -> None:
        """Ask; an older question of the same kind that has not begun is forgotten, one at work answers to nobody."""
        running = self._running.get(question.slot)
        if running is not None and not running.given_up:
            self._waiting[question.slot] = question
            return
        if len(self._abandoned) >= ABANDONED_MAX:
            question.failed(_("too many questions are without an answer; wait until the store is back"))
            return
        self._begin(question)

    def _begin(self, question: Question) -> None:
        question.begun = time.monotonic()
        self._running[question.slot] = question
        threading.Thread(target=self._work, args=(question,), name=f"ask {question.name}", daemon=True).start()

    def _work(self, question: Question) -> None:
        answer: object = None
        error: BaseException | None = None
        try:
            answer = question.ask()
        except BaseException as raised:  # noqa: BLE001  whatever it is, the thread of the screens has to hear of it
            error = raised
        self.post(Answered(question, answer, error))

    def hear(self, answered: Answered) -> None:
        """Give an answer to who asked, unless it was given up or something newer is asked meanwhile."""
        question = answered.question
        self._abandoned.discard(question)
        if self._running.get(question.slot) is question:
            del self._running[question.slot]
        newer = self._waiting.pop(question.slot, None)
        if newer is not None:
            self._begin(newer)
        if question.given_up or not question.owner.is_attached:
            return
        if answered.error is None:
            if newer is None:
                question.then(answered.answer)
        elif not isinstance(answered.error, SentinelError):
            raise answered.error
        elif newer is None:
            question.failed(retold(str(answered.error)))

    def forget(self, owner: Widget) -> None:
        """Nobody wants to know any more what this widget has asked."""
        for slot in [slot for slot, one in self._waiting.items() if one.owner is owner]:
            del self._waiting[slot]
        for question in [one for one in self._running.values() if one.owner is owner]:
            self._give_up(question)

    def look(self) -> float:
        """Give up what has taken too long; return for how many seconds the oldest question has been waiting."""
        now = time.monotonic()
        for question in list(self._running.values()):
            if now - question.begun > question.seconds:
                self._give_up(question)
                question.failed(
                    _("no answer for {n} s; the screens go on, try again later").format(n=round(question.seconds))
                )
        return max((now - one.begun for one in self._running.values()), default=0.0)

    def _give_up(self, question: Question) -> None:
        question.given_up = True
        self._abandoned.add(question)
        del self._running[question.slot]
        self._waiting.pop(question.slot, None)

    @property
    def busy(self) -> bool:
        """Say whether an answer is awaited."""
        return bool(self._running)
