"""Work that threads share: results in order, whoever makes them; the caller works, too."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from numerics.kernels import threads
from tests.builders import ROOT


@pytest.fixture(autouse=True, params=["1", "2", "5"])
def several(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("CONTINUA_THREADS", request.param)
    return int(request.param)


def uneven(index: int) -> int:
    """Later ones are done before earlier ones."""
    time.sleep(0.002 * (index % 3 == 0))
    return index * index


@pytest.mark.parametrize("count", [0, 1, 2, 17])
def test_results_are_in_order(count: int) -> None:
    wanted = [n * n for n in range(count)]
    assert threads.spread(uneven, count) == wanted
    assert list(threads.stream(uneven, count)) == wanted


def test_every_index_is_worked_on_once_and_the_caller_is_one_of_those_who_do(several: int) -> None:
    seen: list[tuple[int, int]] = []
    threads.spread(lambda n: (time.sleep(0.003), seen.append((n, threading.get_ident()))), 60)
    assert sorted(n for n, _ in seen) == list(range(60))
    assert threading.get_ident() in {who for _, who in seen}
    assert len({who for _, who in seen}) <= several


def test_little_waits_to_be_taken(several: int) -> None:
    begun: list[int] = []

    def work(index: int) -> int:
        begun.append(index)
        return index

    for index in threads.stream(work, 40):
        time.sleep(0.001)
        assert len(begun) <= index + 1 + several + 1


def test_the_first_fault_is_raised_whoever_meets_it_and_nothing_more_is_begun() -> None:
    begun: list[int] = []

    def work(index: int) -> int:
        begun.append(index)
        if index in (5, 6):
            raise ValueError(index)
        return uneven(index)

    with pytest.raises(ValueError, match="5"):
        list(threads.stream(work, 1000))
    reached = len(begun)
    time.sleep(0.01)
    assert len(begun) == reached < 20
    assert threads.spread(uneven, 3) == [0, 1, 4]


def test_ctrl_c_in_the_caller_ends_the_work_at_once() -> None:
    me, begun = threading.get_ident(), []

    def work(index: int) -> int:
        begun.append(index)
        time.sleep(0.001)
        if threading.get_ident() == me:
            raise KeyboardInterrupt
        return index

    with pytest.raises(KeyboardInterrupt):
        threads.spread(work, 1000)
    assert len(begun) < 50


def test_a_stream_that_is_left_ends() -> None:
    stream = threads.stream(uneven, 1000)
    assert next(iter(stream)) == 0
    stream.close()  # type: ignore[attr-defined]
    assert threads.spread(uneven, 3) == [0, 1, 4]


def test_work_that_spreads_work_never_waits_for_itself() -> None:
    def work(index: int) -> int:
        return sum(threads.spread(uneven, 4)) + index

    assert threads.spread(work, 6) == [14 + n for n in range(6)]


def test_several_callers_share_the_helpers() -> None:
    found: dict[int, list[int]] = {}

    def call(number: int) -> None:
        found[number] = threads.spread(lambda n: uneven(n) + number, 12)

    callers = [threading.Thread(target=call, args=(n,)) for n in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(10)
    assert found == {number: [n * n + number for n in range(12)] for number in range(6)}


ABANDONED = """
import threading, time
from numerics.kernels import cpu, threads

class Failing(cpu.Solver):
    def __init__(self): self.dtype = float
    def _done(self, *given):
        return threads.stream(lambda index: (time.sleep(0.002), index)[1], 100)  # what _summed cannot add

try:
    Failing()._summed([], [[1.0]], [1.0], [])
except Exception as error:
    kept = error  # as a notebook keeps the last traceback
workers = set()
threads.spread(lambda index: (time.sleep(0.01), workers.add(threading.get_ident())), 40)
print(len(workers))
"""


@pytest.mark.slow
def test_a_gradient_that_is_given_up_leaves_no_thread_waiting() -> None:
    found = subprocess.run(
        [sys.executable, "-c", ABANDONED], capture_output=True, text=True, timeout=60,
        env={**os.environ, "CONTINUA_THREADS": "3", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert found.stdout.strip() == "3", found.stderr
