"""No version, state or attempt of a task ever goes back."""

from collections.abc import Iterator, Sequence
from operator import attrgetter

from duly.torture.finding import Finding, at_the_end, finding
from duly.torture.history import History, Sight
from duly.torture.records import Json, Move, Read, Submit

BEHIND = 2.0
"""Seconds that a read may be behind which names no version: a cache keeps a live state for one (DESIGN, parts), and
what it keeps may have taken up to one more to be read."""

ACCEPTED = 202
NAME = "went back"


def went_back(history: History) -> Iterator[Finding]:
    """Nobody sees an older version after a newer one; one finding a task, the first of these that there is.

    A read that names a version (``If-None-Match``) never sees an older one. A stream tells versions upwards. What was
    just committed (a 202, an operator's move) is not older than any answer that was there before it was asked for, by
    whichever client. Any other read may be BEHIND. The table at the end is not older than anything that was ever seen,
    and knows every attempt that was ever started. Between two answers that were under way at the same time nothing is
    judged.
    """
    for task_id in history.sights.keys() | history.starts.keys():
        found = _first(history, task_id)
        if found is not None:
            yield found


def _first(history: History, task_id: str) -> Finding | None:
    sights = history.sights.get(task_id, [])
    return (
        _behind_its_own_name(sights)
        or _stream_down(sights)
        or _behind(sights)
        or _end_behind(history, task_id, sights)
        or _attempt_forgotten(history, task_id)
    )


def _behind_its_own_name(sights: Sequence[Sight]) -> Finding | None:
    for seen in sights:
        source = seen.source
        if not isinstance(source, Read) or source.since is None:
            continue
        named, shown = validator(source.since), validator(source.etag) or (seen.version, 0)
        if named is not None and shown < (named if source.etag else (named[0], 0)):
            earlier = [one.source for one in sights if one.version == named[0] and one.answered < seen.sent][:1]
            says = f"read if newer than version {named[0]}.{named[1]}, and shown {shown[0]}.{shown[1]}"
            return finding(NAME, seen.id, says, [*earlier, source])
    return None


def validator(etag: str | None) -> tuple[int, int] | None:
    """Version and progress of an ETag ``W/"version.progress"``; None: it is none of ours."""
    text = (etag or "").removeprefix("W/").strip('"')
    version, _, progress = text.partition(".")
    return (int(version), int(progress or 0)) if version.isdecimal() and (progress or "0").isdecimal() else None


def _stream_down(sights: Sequence[Sight]) -> Finding | None:
    newest: dict[tuple[str, float], Sight] = {}
    for seen in sights:
        if not isinstance(seen.source, Read) or seen.source.via != "stream":
            continue
        stream = (seen.source.client, seen.sent)
        before = newest.get(stream)
        if before is not None and seen.version < before.version:
            says = f"a stream told version {before.version}, and then {seen.version}"
            return finding(NAME, seen.id, says, [before.source, seen.source])
        newest[stream] = seen
    return None


def _behind(sights: Sequence[Sight]) -> Finding | None:
    """The sights come in the order of their answers; judged in the order in which they were asked for."""
    for allowed, judged in ((0.0, _committed), (BEHIND, _any)):
        newest: Sight | None = None
        answers = iter(sights)
        upcoming = next(answers, None)
        for seen in sorted(sights, key=attrgetter("sent")):
            while upcoming is not None and upcoming.answered < seen.sent - allowed:
                if newest is None or upcoming.version > newest.version:
                    newest = upcoming
                upcoming = next(answers, None)
            if newest is not None and seen.version < newest.version and judged(seen):
                says = (
                    f"version {newest.version} was seen, and {seen.sent - newest.answered:.3f} s later {seen.version}"
                )
                return finding(NAME, seen.id, says, [newest.source, seen.source])
    return None


def _committed(seen: Sight) -> bool:
    source = seen.source
    return isinstance(source, Move) or (isinstance(source, Submit) and source.status == ACCEPTED)


def _any(seen: Sight) -> bool:
    return not (isinstance(seen.source, Read) and seen.source.via == "stream")


def _end_behind(history: History, task_id: str, sights: Sequence[Sight]) -> Finding | None:
    task = history.tasks.get(task_id)
    newest = max(sights, key=attrgetter("version"), default=None)
    if task is None or newest is None or newest.version <= task["version"]:
        return None
    says = f"version {newest.version} was seen, and at the end it is {task['version']}"
    return finding(NAME, task_id, says, [newest.source, at_the_end(task)])


def _attempt_forgotten(history: History, task_id: str) -> Finding | None:
    task: Json | None = history.tasks.get(task_id)
    last = max(history.starts.get(task_id, []), key=attrgetter("attempt"), default=None)
    if task is None or last is None or last.attempt <= task["attempt"]:
        return None
    says = f"attempt {last.attempt} was started, and at the end there were {task['attempt']}"
    return finding(NAME, task_id, says, [last, at_the_end(task)])
