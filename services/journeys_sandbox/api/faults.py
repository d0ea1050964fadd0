"""Faults of the stand-in. An order id, or a setting, chooses them.

    order id  =  [x-FAULT-FAULT-…-] [nCOUNT-] anything
    FAULT     =  WORD [NUMBER] [pPAGE] [xTIMES]   or   STATUS [s SECONDS | d SECONDS] [pPAGE] [xTIMES]

    x-503x2-n12-abc         503 twice, then a journey of twelve events
    x-429s1x2-abc           429 twice, with `Retry-After: 1`
    x-429d2-abc             always 429, with an HTTP date two seconds ahead
    x-503p2-n150-abc        503 always, for page 2 only
    x-503x2-hangupx1-abc    503 twice, then one closed connection, then correct answers

TIMES counts the requests of one order: with PAGE those for that page, without it all of them. Faults that replace the
whole answer act one after another. The others act together. The first word that is not in the table ends the list, so
`x-ray-7` is an ordinary order id. Faults in the content of the journey (`for good`) ignore PAGE and TIMES.

    word          number, default            effect                                                TIMES, default
    STATUS                                   that status, with or without Retry-After                      always
    code          the code, 2                status 200, a `code` other than 1, no data                    always
    html                                     status 200 and a page of HTML                                 always
    text                                     status 200 and something that is not JSON                     always
    truncated                                promises the whole body, sends half and hangs up              always
    hangup                                   closes the connection without an answer                       always
    reset                                    resets the connection without an answer                       always
    silent                                   never answers                                                 always
    nodata                                   `data` is null                                                always
    emptylist                                `data` is `[]`                                                always
    emptyobject                              `data` is `{}`                                                always
    zerototal                                `total` 0, `page` 0 and `events` `{}`                         always
    noevents                                 `events` is null                                              always
    badevents                                `events` is a string                                          always
    textcode                                 `code` is "1"                                                 always
    floatcode                                `code` is 1.0                                                 always
    phplist                                  lists of events and products are objects with integer keys    always
    encoded                                  plain JSON, `Content-Encoding: none`                          always
    latin1                                   ISO-8859-1, as `Content-Type` says                            always
    wrongtypes                               `total`, `page` and `events` have wrong types                 always
    wrongorder                               echoes another order id                                       always
    wrongpage                                echoes another page                                           always
    slow          milliseconds, 1000         answers that much later                                       always
    cap           events, 10                 caps the page size                                            always
    echo          events, 100                echoes that page size                                         always
    total         events, 0                  says that `total`                                             always
    pagetotal                                `total` is the number of events on the page                   always
    grow          events, 1                  the journey lacks its last events at first                         1
    shrink        events, 1                  the journey has more events at first                               1
    restless                                 `total` is another one at each request                        always
    repeat        events, 1                  a page begins with the last events of the one before          always
    revise        events, 1                  the same, with other content                                  always
    nullevent                                one event of the journey is null                           for good
    textevent                                one event of the journey is a string                       for good
    odd                                      one event with a lone surrogate, an integer beyond 64 bits,
                                             129.99 and a string where integers belong                  for good
    values                                   one event has fractions, long ids as numbers, null
                                             products, empty arrays for objects, and a time with
                                             slashes                                                    for good
    zeros                                    one event has a zero date, and objects of 0 and ""         for good
    sameid                                   all events have one `event_id`                             for good
    control                                  `event_campaign` of one event has a raw tab                always
    nan                                      the same field is NaN                                      always
    bytes                                    it has a byte that is not UTF-8                            always
    digits        digits, 5000               it is an integer with this many digits                     always
    deep          levels, 5000               it is an object nested this deep                           always
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

Acts: TypeAlias = Literal["answer", "beside", "content"]
"""Whether a fault replaces the answer, acts together with others, or is in the content of the journey."""

_TABLE: dict[str, tuple[Acts, int, int | None]] = {
    "code": ("answer", 2, None),
    "html": ("answer", 0, None),
    "text": ("answer", 0, None),
    "truncated": ("answer", 0, None),
    "hangup": ("answer", 0, None),
    "reset": ("answer", 0, None),
    "silent": ("answer", 0, None),
    "nodata": ("answer", 0, None),
    "emptylist": ("answer", 0, None),
    "emptyobject": ("answer", 0, None),
    "zerototal": ("answer", 0, None),
    "noevents": ("answer", 0, None),
    "badevents": ("answer", 0, None),
    "textcode": ("answer", 0, None),
    "floatcode": ("answer", 0, None),
    "phplist": ("answer", 0, None),
    "encoded": ("answer", 0, None),
    "latin1": ("answer", 0, None),
    "wrongtypes": ("answer", 0, None),
    "wrongorder": ("answer", 0, None),
    "wrongpage": ("answer", 0, None),
    "slow": ("beside", 1000, None),
    "cap": ("beside", 10, None),
    "echo": ("beside", 100, None),
    "total": ("beside", 0, None),
    "pagetotal": ("beside", 0, None),
    "grow": ("beside", 1, 1),
    "shrink": ("beside", 1, 1),
    "restless": ("beside", 0, None),
    "repeat": ("beside", 1, None),
    "revise": ("beside", 1, None),
    "nullevent": ("content", 0, None),
    "textevent": ("content", 0, None),
    "odd": ("content", 0, None),
    "values": ("content", 0, None),
    "zeros": ("content", 0, None),
    "sameid": ("content", 0, None),
    "control": ("beside", 0, None),
    "nan": ("beside", 0, None),
    "bytes": ("beside", 0, None),
    "digits": ("beside", 5000, None),
    "deep": ("beside", 5000, None),
}
"""Each word: how it acts, its default number, and its default TIMES (None: always)."""

_FAULT = re.compile(
    r"(?:(?P<status>[1-5]\d\d)(?:(?P<form>[sd])(?P<seconds>\d{1,6}))?"
    rf"|(?P<word>{'|'.join(_TABLE)})(?P<number>\d{{1,9}})?)"
    r"(?:p(?P<page>\d{1,6}))?(?:x(?P<times>\d{1,9}))?",
    re.ASCII,
)
_COUNT = re.compile(r"n(\d{1,6})(?:-|$)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault: its word (`status` for an HTTP status), its number, and how many requests it affects."""

    word: str
    acts: Acts
    number: int
    times: int | None
    """None: always."""
    retry_after: tuple[Literal["s", "d"], int] | None = None
    """Retry-After in seconds (`s`) or as a date (`d`) that many seconds ahead."""
    page: int | None = None
    """The only page that it affects; None: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The number of a request, from 0: among all of its order, and among those for the same page."""

    request: int
    page: int = 1
    of_page: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The faults of an order id, and its number of events."""

    faults: tuple[Fault, ...] = ()
    count: int | None = None
    """The number of events if the id sets it."""

    def answer(self, turn: Turn) -> Fault | None:
        """The fault that replaces the answer to this request, if any."""
        left = {None: turn.request, turn.page: turn.of_page}
        for fault in self.faults:
            if fault.acts != "answer" or fault.page not in left:
                continue
            if fault.times is None or left[fault.page] < fault.times:
                return fault
            left[fault.page] -= fault.times
        return None

    def beside(self, turn: Turn) -> dict[str, int]:
        """Word → number of the faults that act together on this request."""
        before = {None: turn.request, turn.page: turn.of_page}
        return {
            fault.word: fault.number
            for fault in self.faults
            if fault.acts == "beside"
            and fault.page in before
            and (fault.times is None or before[fault.page] < fault.times)
        }

    @property
    def content(self) -> frozenset[str]:
        """Words of the faults in the content of the journey."""
        return frozenset(fault.word for fault in self.faults if fault.acts == "content")


NOTHING = Plan()


def plan_of(order_id: str) -> Plan:
    """The plan of an order id; NOTHING for an ordinary one."""
    if not order_id.startswith(("x-", "n")):
        return NOTHING
    return _plan(order_id) if len(order_id) <= 200 else NOTHING


@lru_cache(maxsize=4096)
def _plan(order_id: str) -> Plan:
    faults: list[Fault] = []
    rest = order_id
    if rest.startswith("x-"):
        rest = rest[2:]
        while (fault := _fault(rest.partition("-")[0])) is not None:
            faults.append(fault)
            rest = rest.partition("-")[2]
        if not faults:
            return NOTHING
    count = _COUNT.match(rest)
    return Plan(faults=tuple(faults), count=int(count[1]) if count else None)


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Parse the faults of every order, such as `slow50-503x1`; "" is none. Raises ValueError for an unknown word."""
    words = [word for word in text.split("-") if word]
    faults = [_fault(word) for word in words]
    if None in faults:
        raise ValueError(f"no such fault: {words[faults.index(None)]}")
    return tuple(fault for fault in faults if fault is not None)


def _fault(text: str) -> Fault | None:
    match = _FAULT.fullmatch(text)
    if match is None:
        return None
    times = int(match["times"]) if match["times"] else None
    page = int(match["page"]) if match["page"] else None
    if match["status"]:
        form: Literal["s", "d"] = "s" if match["form"] == "s" else "d"
        after = (form, int(match["seconds"])) if match["form"] else None
        status = int(match["status"])
        return Fault(word="status", acts="answer", number=status, times=times, page=page, retry_after=after)
    acts, number, default_times = _TABLE[match["word"]]
    return Fault(
        word=match["word"],
        acts=acts,
        number=int(match["number"]) if match["number"] else number,
        times=default_times if times is None else times,
        page=page,
    )
