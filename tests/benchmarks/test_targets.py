from dataclasses import replace
from typing import Any

from scripts import benchmark

Memory, Process = (getattr(benchmark("bench.process_measurements"), name) for name in ("Memory", "Process"))
Measured, Spread, Timed = (getattr(benchmark("bench.timing"), name) for name in ("Measured", "Spread", "Timed"))
targets = benchmark("bench.targets").targets


def timed(name: str, microseconds: float | None) -> Any:
    spread = None if microseconds is None else Spread(microseconds / 2, microseconds, 2 * microseconds)
    return Timed(name, "", 1, 1, 0.0, 0.0, spread, None)


def row(name: str, *contenders: Any) -> Any:
    return Measured(name, "", "", 1, 1, 1, "float64", contenders, {})


def test_at_least_and_at_most() -> None:
    measured = row("encoders", timed("compiled", 2.0), timed("JAX vmap", 30.0), timed("SIMD C", 1.0))
    found = {one.what: one for one in targets([measured], [], [])}
    assert found["encoders: JAX vmap / ours"].found == 15.0 and found["encoders: JAX vmap / ours"].reached is True
    assert found["encoders: ours / SIMD C"].found == 2.0 and found["encoders: ours / SIMD C"].reached is True
    slower = replace(measured, contenders=(timed("compiled", 3.0), *measured.contenders[1:]))
    assert [one.reached for one in targets([slower], [], []) if one.found] == [False, False]


def test_what_was_not_measured_is_neither_reached_nor_missed() -> None:
    assert {one.reached for one in targets([], [], [])} == {None}
    differing = row("encoder", timed("compiled", 1.0), timed("PyTorch", None))
    assert {one.reached for one in targets([differing], [], [])} == {None}


def test_seconds_and_bytes() -> None:
    slow = Process("help", "", Spread(0.2, 0.4, 0.5))
    one = Memory("encoders", 2, needed=10, advance=20, train=40, advance_ratio=2.0, train_ratio=4.0)
    found = {target.what: target.reached for target in targets([], [slow], [one])}
    assert found["help"] is False
    assert found["memory of updates, encoders: / needed"] is True
    assert found["memory of training, encoders: / needed"] is False
