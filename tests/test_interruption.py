"""A run that is asked to stop ends as interrupted, even if a library in between hides the signal."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable

import pytest

from finetune.errors import Interrupted
from finetune.interruption import asked_to_stop, interruptible, stop_if_asked


def ask_to_stop() -> None:
    signal.raise_signal(signal.SIGTERM)


def run(work: Callable[[], None]) -> None:
    with interruptible("resume with X"):
        work()


def test_a_signal_is_an_interruption_that_says_how_to_resume():
    with pytest.raises(Interrupted, match=r"^stopped by SIGTERM; resume with X$") as caught:
        run(ask_to_stop)
    assert caught.value.exit_status == 128 + signal.SIGTERM


def test_a_library_that_makes_an_error_of_its_own_of_it_changes_nothing():
    def trace() -> None:
        try:
            ask_to_stop()
        except Interrupted as error:
            raise RuntimeError("in user code: stopped") from error

    with pytest.raises(Interrupted, match=r"^stopped by SIGTERM; resume with X$") as caught:
        run(trace)
    assert caught.value.exit_status == 128 + signal.SIGTERM
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_library_that_swallows_it_is_told_again():
    def swallow() -> None:
        with contextlib.suppress(Interrupted):
            ask_to_stop()
        stop_if_asked()

    with pytest.raises(Interrupted):
        run(swallow)


def test_an_error_without_a_signal_stays_what_it_is():
    def fail() -> None:
        stop_if_asked()
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match=r"^a fault$"):
        run(fail)


def test_the_handlers_are_those_of_before_afterwards():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with interruptible("resume with X"):
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_request_is_forgotten_with_the_run_that_it_ended():
    with pytest.raises(Interrupted):
        run(ask_to_stop)
    stop_if_asked()
    with interruptible("resume with X"):
        stop_if_asked()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_work_without_end_is_asked_to_stop_once_and_then_the_signal_acts_as_before():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    try:
        with asked_to_stop() as stop:
            assert not stop.is_set()
            ask_to_stop()
            assert stop.wait(0)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
