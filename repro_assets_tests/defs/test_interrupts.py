"""An interrupt is noted whoever handles signals when it arrives."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from repro_assets.defs.interrupts import noted_interrupts


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def deaf(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal whose handler forgets it, as Dagster's does between two steps."""
    before = signal.signal(request.param, lambda *_: None)
    yield request.param
    signal.signal(request.param, before)


def test_a_signal_that_its_handler_forgets_is_noted_for_good(deaf: signal.Signals) -> None:
    with noted_interrupts() as interrupted:
        assert not interrupted()
        os.kill(os.getpid(), deaf)
        assert interrupted()
        assert interrupted()


def test_it_is_noted_after_somebody_took_the_wake_up_descriptor_away(deaf: signal.Signals) -> None:
    with noted_interrupts() as interrupted:
        signal.set_wakeup_fd(-1)
        assert not interrupted()
        os.kill(os.getpid(), deaf)
        assert interrupted()


def test_a_signal_from_before_is_not_noted_and_the_descriptor_is_given_back(deaf: signal.Signals) -> None:
    os.kill(os.getpid(), deaf)
    with noted_interrupts() as interrupted:
        assert not interrupted()
    assert signal.set_wakeup_fd(-1) == -1


def test_outside_of_the_main_thread_the_answer_is_no() -> None:
    answers: list[bool] = []

    def ask() -> None:
        with noted_interrupts() as interrupted:
            answers.append(interrupted())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert answers == [False]
