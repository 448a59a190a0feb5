"""Training stops between two steps at Ctrl-C or SIGTERM."""

import os
import signal
import threading

import pytest

from facespace.cli.stopping import stopping_between_steps


@pytest.fixture(autouse=True)
def handlers():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    assert {number: signal.getsignal(number) for number in before} == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_after_the_step(number, capsys):
    with stopping_between_steps() as after_step:
        after_step()
        os.kill(os.getpid(), number)
        assert "stopping after this step" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            after_step()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_stops_at_once(number):
    with stopping_between_steps() as after_step:
        after_step()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)


def test_before_the_first_step_a_signal_stops_at_once():
    with stopping_between_steps(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stopping_between_steps() as after_step:
            after_step()
            os.kill(os.getpid(), signal.SIGINT)
            after_step()
    finally:
        signal.signal(signal.SIGINT, before)


def test_without_signals_nothing_stops():
    for active in (True, False):
        with stopping_between_steps(active) as after_step:
            after_step()


def test_in_another_thread_the_signals_are_left_alone():
    before, found = signal.getsignal(signal.SIGTERM), []

    def work():
        with stopping_between_steps() as after_step:
            after_step()
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before]
