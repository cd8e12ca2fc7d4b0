"""Points of fault: silent unless asked for, and then exactly what was asked, where and when it was asked."""

import os
import signal
import subprocess
import sys

import pytest

from aggregator.faults import VARIABLE, Faults, armed, fault

SCRIPT = """
from aggregator.faults import fault
fault('send.dot')
print('once', flush=True)
fault('send.dot')
print('twice')
"""


def process(asked: str) -> subprocess.Popen[str]:
    environ = {**os.environ, VARIABLE: asked}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_where_nobody_asks_nothing_happens() -> None:
    assert VARIABLE not in os.environ
    assert not armed("send.dot")
    fault("send.dot")


@pytest.mark.parametrize(("asked", "said"), [("send.dot=kill", ""), ("send.dot:2=kill", "once\n")])
def test_a_process_dies_where_it_is_told(asked: str, said: str) -> None:
    victim = process(asked)
    output, told = victim.communicate(timeout=30)
    assert (victim.returncode, output) == (-signal.SIGKILL, said)
    assert told == f"{VARIABLE}: send.dot is reached\n"


def test_a_process_that_is_stopped_goes_on_when_woken() -> None:
    victim = process("send.dot:2=stop")
    _, status = os.waitpid(victim.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    os.kill(victim.pid, signal.SIGCONT)
    output, _ = victim.communicate(timeout=30)
    assert output == "once\ntwice\n"


@pytest.mark.parametrize(("act", "error"), [("drop", ConnectionResetError), ("enospc", OSError)])
def test_a_fault_of_the_disk_or_the_line_is_raised_once(act: str, error: type[OSError]) -> None:
    faults = Faults(f"send.mark:2={act}")
    faults.reach("send.mark")
    faults.reach("send.dot")
    with pytest.raises(error, match="on purpose"):
        faults.reach("send.mark")
    faults.reach("send.mark")
    assert faults.arms("send.mark")
    assert not faults.arms("send.dot")


def test_one_may_ask_anew() -> None:
    faults = Faults("send.mark=drop")
    faults.ask("send.dot=enospc")
    faults.reach("send.mark")
    with pytest.raises(OSError, match="on purpose"):
        faults.reach("send.dot")
    faults.ask("")
    assert not faults.arms("send.dot")


@pytest.mark.parametrize("asked", ["send.dot", "send.dot=explode", "send.dot:0=kill", "=kill", "Send=kill"])
def test_another_text_is_refused(asked: str) -> None:
    with pytest.raises(ValueError, match="is no fault"):
        Faults(asked)
    assert "is no fault" in process(asked).communicate(timeout=30)[1]
