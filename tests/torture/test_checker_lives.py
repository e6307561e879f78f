"""Any life that the rules allow is proved, however little of it was seen; what cannot be is refuted."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from duly.domain.event import Kind
from duly.domain.state import FINAL, State
from duly.torture.legal import LEGAL
from tests.support.histories import a_task, end, event, judged, move, read, refuted, start, submit

FIRST = a_task("pending", 1, 0, type="other")


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[Kind, dict[str, Any]]]:
    """Moves and what each led to; the last one is final."""
    life, task = [(Kind.SUBMITTED, FIRST)], FIRST
    while task["state"] not in FINAL or (len(life) < 20 and draw(st.booleans())):
        kinds = sorted(kind for kind, (before, _) in LEGAL.items() if task["state"] in before)
        kind = draw(st.sampled_from(kinds)) if len(life) < 20 else Kind.CANCELLED
        state = draw(st.sampled_from(sorted(LEGAL[kind][1])))
        task = task | {
            "state": state.value,
            "version": task["version"] + 1,
            "attempt": task["attempt"] + (kind is Kind.CLAIMED),
        }
        life.append((kind, task))
    return life


def recorded(life: list[tuple[Kind, dict[str, Any]]], seen: list[bool]) -> list[Any]:
    """A second for each move: the handlers, the retries by hand, and reads of some."""
    records: list[Any] = [submit(0, FIRST)]
    for second, ((kind, task), shown) in enumerate(zip(life, seen, strict=False)):
        if kind is Kind.CLAIMED:
            records += [start(second, task["attempt"], type="x"), end(second + 0.1, task["attempt"], type="x")]
        if kind is Kind.RETRIED:
            records.append(move(second - 0.1, "retry", None))
        if shown:
            records.append(read(second + 0.5, task))
    return records


@given(lives(), st.lists(st.booleans(), min_size=40, max_size=40))
def test_any_life_that_the_rules_allow_is_proved(life, seen):
    story = [event(task["version"], kind, task["attempt"]) for kind, task in life]

    verdict = judged(*recorded(life, seen), end=[life[-1][1]], story=story)

    assert verdict.proved, verdict.text()


@given(lives(), st.lists(st.booleans(), min_size=40, max_size=40), st.data())
def test_a_version_that_is_seen_again_after_its_time_is_refuted(life, seen, data):
    older = data.draw(st.sampled_from([task for _, task in life[:-1]]))
    late = [read(100, life[-1][1]), read(200, older)]

    verdict = judged(*recorded(life, seen), *late, end=[life[-1][1]])

    assert "went back" in refuted(verdict)


@given(lives(), st.sampled_from(sorted(State)))
def test_another_state_than_that_of_the_version_is_refuted(life, state):
    last = life[-1][1]
    other = last | {"state": state.value}

    verdict = judged(*recorded(life, [True] * 40), read(100, other), end=[last])

    assert verdict.proved == (state == last["state"])
