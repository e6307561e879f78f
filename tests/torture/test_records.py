import pytest

from duly.torture.records import Delivery, Effect, Pen, Rate, Submit, Terms, Unreadable, read, read_terms, write_terms

START = Effect(what="start", t=1.5, id="a", attempt=1, pid=7, process_start=0.5, type="echo", queue="default")
SUBMIT = Submit(client="c", sent=1.0, answered=None, status=None, key="k", body={"type": "echo"}, task=None)
RATE = Rate(t=2.0, done=10)


def test_what_was_written_is_read_again(tmp_path):
    delivery = Delivery(t=3.0, id="a", webhook_id="w", headers={"webhook-id": "w"}, body='{"what": 1}', status=204)
    with Pen(tmp_path / "x") as pen:
        for record in (START, SUBMIT, RATE, delivery):
            pen.write(record)

    assert list(read(tmp_path / "x")) == [START, SUBMIT, RATE, delivery]


def test_the_torn_end_of_a_killed_writer_is_left_out(tmp_path):
    with Pen(tmp_path / "x") as pen:
        pen.write(START)
    whole = (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(whole + whole[:30])

    assert list(read(tmp_path / "x")) == [START]


def test_a_torn_line_does_not_take_the_next_writer_with_it(tmp_path):
    with Pen(tmp_path / "x") as pen:
        pen.write(START)
        (tmp_path / "x").write_bytes((tmp_path / "x").read_bytes()[:30])
        pen.write(RATE)
        pen.write(START)

    assert list(read(tmp_path / "x")) == [RATE, START]


def test_a_line_that_is_no_record_is_not_passed_over(tmp_path):
    (tmp_path / "x").write_text('{"what":"nothing"}\n{"what":"rate","t":1,"done":1}\n')

    with pytest.raises(Unreadable, match="line 1"):
        list(read(tmp_path / "x"))


def test_a_record_that_nobody_began_is_empty(tmp_path):
    assert list(read(tmp_path / "x")) == []


def test_terms_are_kept(tmp_path):
    terms = Terms(lease=5, renewal=1.7, grace=2)

    write_terms(tmp_path, terms)

    assert read_terms(tmp_path) == terms
