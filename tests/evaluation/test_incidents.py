"""Drops of several measures at one time are one incident, told clearest first, shown in the order of time."""

import pytest
from evaluations import measure, video

from sn_eval.evaluation.incidents import falls, incidents

UP, DOWN, WIDE = measure("up"), measure("down", higher_is_better=False), measure("wide", high=100.0)


def dipped(*places: int, depth: float = 0.5, frames: int = 60) -> tuple[float, ...]:
    return tuple(1.0 - depth * (i in places) for i in range(frames))


def found(measures, **curves):
    return incidents(falls(video("clip", {}, frames=60, curves=curves), measures))


def test_drops_a_few_frames_apart_are_one_incident():
    (one,) = found([UP, WIDE], up=dipped(30, depth=0.9), wide=dipped(32, depth=0.8))
    assert [fall.measure.key for fall in one.falls] == ["up", "wide"]
    assert (one.before, one.at) == (29, 30)
    first, second = found([UP, WIDE], up=dipped(30), wide=dipped(34, depth=0.9))
    assert (first.at, second.at) == (30, 34)


def test_worse_is_up_where_lower_is_better():
    curve = tuple(-value for value in dipped(20))
    assert [one.at for one in found([DOWN], down=curve)] == [20]
    assert found([UP], up=curve) == []
    (one,) = found([DOWN], down=curve)
    assert one.falls[0].words == "down rose by 0.5, from -1 to -0.5"
    assert found([UP], up=dipped(20))[0].falls[0].words == "up fell by 0.5, from 1 to 0.5"


def test_a_dip_that_is_small_for_the_range_is_none():
    assert found([UP], up=dipped(20, depth=0.3)) != []
    assert found([WIDE], wide=dipped(20, depth=0.3)) == []
    assert found([measure("open", high=float("inf"))], open=dipped(20, depth=0.3)) != []


def test_the_clearest_are_kept_in_the_order_of_time():
    def deep(i: int, t: int) -> float:
        return 1.0 - (0.1 + 0.01 * i + 0.05 * (t // 200)) * (t % 200 == 10 + 5 * i)

    curves = {f"m{i}": tuple(deep(i, t) for t in range(600)) for i in range(10)}
    measures = [measure(key) for key in curves]
    all_falls = falls(video("clip", {}, frames=600, curves=curves), measures)
    assert len(all_falls) == 30
    kept = incidents(all_falls, 4)
    assert [one.at for one in kept] == [440, 445, 450, 455]
    assert [fall.drop.clear for fall in all_falls] == sorted((f.drop.clear for f in all_falls), reverse=True)


@pytest.mark.parametrize(("chunk", "crosses"), [(30, True), (10, True), (31, False), (29, False), (60, False)])
def test_it_knows_whether_a_chunk_begins(chunk, crosses):
    (one,) = found([UP], up=dipped(30))
    assert one.crosses(chunk) is crosses
