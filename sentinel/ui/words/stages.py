"""What the stages say, in the language that is spoken: they know English only, and here are their sentences again.

A sentence is recognised by what stands between its placeholders; what is not known is said as it is. A placeholder of
`_SAID` is such a sentence itself.
"""

from functools import cache
from string import Formatter

from sentinel.ui.words import N_, _, language

SENTENCES = (
    # an alert's history, and what is refused
    N_("raised"),
    N_("acknowledged"),
    N_("assigned to {to}"),
    N_("handed back"),
    N_("noted"),
    N_("closed as {verdict}"),
    N_("reopened"),
    N_("undone: {what}"),
    N_("suppressed until {until} UTC"),
    N_("no longer suppressed"),
    N_("refused: {wanted}"),
    N_("acknowledge"),
    N_("assign to {to}"),
    N_("hand back"),
    N_("close as {verdict}"),
    N_("suppress until {until} UTC"),
    N_("true_positive"),
    N_("false_positive"),
    N_(
        "alert {id} has changed since you saw it: {told}. Nothing was overwritten; "
        "look at it again (sentinel alerts show {same}), it is at version {version} now"
    ),
    N_("{who} {what} at {when} UTC"),
    N_("nobody has changed alert {id}: there is nothing to undo"),
    N_("the last change of alert {id} is not yours: {said}"),
    N_("this cannot be undone: {said}"),
    N_("not a name: {to}; at most {most} characters, no blanks around it"),
    N_("a suppression ends in the future, after {days} days at most; what is never a finding is an exception: "
       "sentinel rules except"),
    N_("it is suppressed already by {held} until {until} UTC ({reason}); end that first: "
       "sentinel alerts unsuppress {number}"),
    # a case's history, and what is refused
    N_("renamed it {title}"),
    N_("removed the deadline"),
    N_("set the deadline {at} UTC"),
    N_("closed"),
    N_("opened"),
    N_("added alert {id}"),
    N_("added {many} events"),
    N_("added task {number}: {text}"),
    N_("task {number} is {word}: {text}"),
    N_("added {name}"),
    N_("removed {name}"),
    N_(
        "case {number} has changed since you saw it: {told}. Nothing was overwritten; look at it again, it "
        "is at version {version} now"
    ),
    N_("{path} is there already; an export is written into a new folder or zip file"),
    N_("{path} is no folder; make it first"),
    N_("{name} is {article} member already"),
    # incidents
    N_("merged with {gone}"),
    N_("left: {alert}"),
    N_("joined: {alert}"),
    N_("{wrong} of {all} verdicts on its rule were false positives"),
    N_("an asset of criticality {level}"),
    N_("{many} events met an indicator"),
    # what is asked for
    N_("{name}: is nothing to ask for"),
    N_("{name}: is nothing to ask for; did you mean {near}:?"),
    N_("{value}: not a time; say 90m, 24h, 7d, 2027-01-31 or 2027-01-31T12:00"),
    N_("{value}: say {known}"),
    N_("nothing can be all of that: two parts exclude each other"),
    N_("something to look for is missing here"),
    N_("something to look for is missing before this word"),
    N_("a value for {field} is missing here"),
    N_("this bracket closes nothing"),
    N_("this bracket is not closed"),
    N_("this quotation is not closed"),
    N_("a word is missing here"),
    N_("a number is needed here"),
    N_("the query should end here; a time span comes last"),
    N_("the span ends before it begins"),
    N_("a time is needed here, such as 2026-11-23T08:00"),
    N_("a length of time is needed here, such as 30m, 24h or 7d"),
    N_("{value} as a {kind} is nobody in particular: every machine has it, or it is no {same}"),
    # rules
    N_("no source sends {names}"),
    N_("{arriving} lacks {missing}; {would} would have it"),
    N_("set aside: {why}"),
    N_("did not come to an end within {seconds} s"),
    N_("nothing judges: the process of the rules is gone, or has yet to begin"),
    N_("the rules stand still since {seconds} s"),
    N_("the rules stand still since {seconds} s over the rule {rule}"),
    # where events are kept
    N_("Elasticsearch takes no events after {times} attempts: {why}"),
    N_("Elasticsearch refuses to store events (status {status}): {why}"),
    N_("Elasticsearch at {url} cannot read {index} at present: {why}"),
    N_("Elasticsearch at {url} {told}"),
    N_("does not answer within {seconds} seconds"),
    N_("cannot be reached ({error}): is it running, and is http or https right?"),
    N_("answers with status {status}: {why}"),
    N_("does not accept the API key"),
    N_("does not allow this with the API key given: {why}"),
    N_("cannot be trusted: {why}; is ca_cert the authority that signed its certificate?"),
    N_("answers with more than {many} bytes"),
    N_("answers with something that is not its JSON"),
    N_("is not Elasticsearch 8 or 9 (OpenSearch and other relatives will not do)"),
    N_("Elasticsearch could search only a part of the events: {why}"),
    N_("it ran out of time"),
    N_("{said}. Whether this was written shows when it answers again"),
    N_("{path}: another machine wrote at the same moment; nothing was changed, try again"),
    N_("{path}: what machines share changes faster than it can be read; try again"),
    N_("{path}: another process has been writing for {seconds} s; try again"),
    N_(
        "{path}: {many} bytes are too much for one change of what machines share (at most {most}); do it in smaller"
        " parts"
    ),
    N_(
        "there is no index {index} for what machines share, and this key may not make it: let an administrator run "
        "`sentinel store setup`"
    ),
    N_(
        "the cluster has no elected master: more than half of its nodes that may be master must run and reach"
        " each other, so start those that are missing"
    ),
    N_(
        "a disk of the cluster is full, and the index {index} takes nothing until there is room (flood-stage "
        "watermark): make room there, add a node, or let retention keep fewer days"
    ),
    N_(
        "the index {index} is red, for no copy of a part of it is there: events of that day can be neither "
        "stored nor searched, so start the node that is missing, or restore that day from a backup"
    ),
    N_("{many} more indices are red"),
    N_("the disk of node {node} is {told}; make room there, add a node, or let retention keep fewer days"),
    N_("above the flood stage {mark}: Elasticsearch takes no events for what lies there"),
    N_("above the high watermark {mark}: Elasticsearch moves shards away"),
    N_("above the low watermark {mark}: no new shard is put there"),
    N_(
        "copies of shards are missing (status yellow): nothing is lost, and the loss of another node would "
        "lose something; start the node that is missing"
    ),
    N_(
        "nearly all of the {most} shards allowed are there: soon no new day can begin; let retention keep "
        "fewer days, or raise cluster.max_shards_per_node"
    ),
    # exceptions, and rules that are made
    N_("such an exception would be refused: {why}"),
    N_("{path} is such an exception already: change it there, or remove it first"),
    N_("no event it is about has a field {name}; say --field {same}=VALUE"),
    N_("{path} is there already; choose another name"),
    N_("Sigma cannot say exactly this question; say it in simpler words"),
    N_("{what}: a text whose beginning is not given is looked for in every value: narrow the time, or name more"),
    N_("words without a field"),
    # what could not be seen
    N_("nothing was heard of it"),
    N_("nothing had been received yet, or it is too long ago"),
    N_("no rules were on yet"),
    N_("planned, but never judged"),
    N_("nothing is known of it"),
    N_("is to be judged again"),
    N_("{many} rules"),
)  # fmt: skip
_SAID = frozenset({"what", "wanted", "verdict", "said", "why", "told"})
DEPTH_MAX = 4


def retold(text: str, depth: int = 0) -> str:
    """Return what a stage has said in the language that is spoken, or as it is if the sentence is not known."""
    if language() == "en" or depth >= DEPTH_MAX:
        return text
    for sentence in SENTENCES:
        found = _read(sentence, text)
        if found is not None:
            told = {name: _part(value, depth + 1) if name in _SAID else value for name, value in found.items()}
            return _(sentence).format(**told)
    return text


def _part(text: str, depth: int) -> str:
    # one sentence, or several
    whole = retold(text, depth)
    return whole if whole != text else "; ".join(retold(one, depth) for one in text.split("; "))


@cache
def parts(sentence: str) -> tuple[tuple[str, str], ...]:
    """Return a sentence as what stands before each placeholder, and its name ("": the end)."""
    return tuple((before, name or "") for before, name, _spec, _turned in Formatter().parse(sentence))


def _read(sentence: str, text: str) -> dict[str, str] | None:
    """Return what stands in a text for the placeholders of a sentence; None if it is another."""
    found: dict[str, str] = {}
    at, waiting = 0, ""
    for before, name in parts(sentence):
        if not waiting:
            there = 0 if text.startswith(before) else -1
        else:
            there = text.find(before, at + 1) if name else len(text) - len(before) if text.endswith(before) else -1
        if there < at or (waiting and there == at):
            return None
        if waiting:
            found[waiting] = text[at:there]
        at, waiting = there + len(before), name
    if waiting:
        found[waiting] = text[at:]
    return found if waiting or at == len(text) else None
