"""Numbers that a recorded call of user code has left behind."""

import numpy as np

from deltarule.checking.repair.safety import ProgramState
from deltarule.checking.tape.traced_array import ForwardTape


def test_recorded_array_in_what_code_keeps_is_left_alone() -> None:
    """Closures of a graph of numbers live on in cycles, and hold the recorded numbers of an earlier call."""
    recorded = ForwardTape().add("parameter", np.ones(2), [], None)
    ProgramState([], [[recorded, np.ones(2)]])
