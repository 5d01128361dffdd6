"""Compile the text of a function by LLVM, once: machine code is cached on disk by the text's hash.

While a function runs, subnormal numbers are 0. A penalty lets the weights of a unit that is never active decay for
ever, and the signal of a deep network may shrink from layer to layer; an update with such numbers takes a processor
forty times as long.
"""

import ctypes
import hashlib
import re
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any

from deltarule.engines.compiled.cache import once

OPTIMIZATION = 2

FLUSHED = {
    "x86_64": """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)

define void @flushed_{name}({given}) {{
  %place = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %place)
  %before = load i32, ptr %place
  %flushing = or i32 %before, 32832
  store i32 %flushing, ptr %place
  call void @llvm.x86.sse.ldmxcsr(ptr %place)
  call void @{name}({given}) noinline
  store i32 %before, ptr %place
  call void @llvm.x86.sse.ldmxcsr(ptr %place)
  ret void
}}
""",
    "aarch64": """
declare i64 @llvm.aarch64.get.fpcr()
declare void @llvm.aarch64.set.fpcr(i64)

define void @flushed_{name}({given}) {{
  %before = call i64 @llvm.aarch64.get.fpcr()
  %flushing = or i64 %before, 16777216
  call void @llvm.aarch64.set.fpcr(i64 %flushing)
  call void @{name}({given}) noinline
  call void @llvm.aarch64.set.fpcr(i64 %before)
  ret void
}}
""",
}
"""By processor, a function that calls another one with subnormal numbers as 0: FTZ and DAZ of MXCSR, FZ of FPCR."""


class Compiled:
    """A compiled function of whole numbers and addresses."""

    def __init__(self, machine_code: bytes, name: str, arguments: int) -> None:
        import llvmlite.binding as llvm

        # The memory of the code lives as long as its engine.
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(machine_code))
        self._engine.finalize_object()
        address = self._engine.get_function_address(name)
        self.call: Callable[..., Any] = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * arguments)(address)


_compiling = Lock()


def compiled(text: str, name: str, arguments: int, features: str | None = None) -> Compiled:
    """Return the function `name` of a text, with so many `arguments`, each of 64 bits.

    features : those of the processor that may be used; None for all.
    """
    with _compiling:  # once, for all threads: the code of a second one would end with it
        return _compiled(text, name, arguments, features)


@cache
def _compiled(text: str, name: str, arguments: int, features: str | None) -> Compiled:
    """Compile a program's text for this processor, or take it from the cache."""
    import llvmlite
    import llvmlite.binding as llvm

    processor = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten() if features is None else features
    text = f"{text}{_flushed(text, name)}"
    key = hashlib.sha256(repr((text, llvmlite.__version__, processor, OPTIMIZATION)).encode()).hexdigest()[:32]
    machine_code = once(f"deltarule_{key}.o", lambda: compile_text(text, features))
    return Compiled(machine_code, f"flushed_{name}", arguments)


def _flushed(text: str, name: str) -> str:
    """Return the text of the function that is called in the place of `name`."""
    (parameters,) = re.findall(rf"^define void @{name}\((.*?)\)", text, re.MULTILINE)
    kinds = [parameter.split()[0] for parameter in parameters.split(", ")]
    return FLUSHED[_architecture()].format(
        name=name, given=", ".join(f"{kind} %{n}" for n, kind in enumerate(kinds, 1))
    )


def _architecture() -> str:
    import llvmlite.binding as llvm

    return str(llvm.get_process_triple().partition("-")[0]).replace("arm64", "aarch64")


@cache
def vector_registers() -> tuple[int, int]:
    """Return how many bytes a vector register of this processor has, and how many such registers there are."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 64, 32
    if features.get("avx"):
        return 32, 16
    return 16, 32 if _architecture() == "aarch64" else 16


def target_machine(features: str | None = None) -> Any:
    """Return a new description of the processor; an engine owns the one that it is created with."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name() if features is None else "",
        features=llvm.get_host_cpu_features().flatten() if features is None else features,
        opt=OPTIMIZATION,
        jit=True,
        reloc="pic",
    )


def compile_text(text: str, features: str | None = None) -> bytes:
    """Return the machine code of a text."""
    machine = target_machine(features)
    return bytes(machine.emit_object(almost_as_printed(text, machine)))


def optimized(text: str, machine: Any) -> Any:
    """Return the module of a text, optimized for a processor by all passes."""
    module = _parsed(text, machine)
    builder = _pass_builder(machine)
    builder.getModulePassManager().run(module, builder)
    return module


def almost_as_printed(text: str, machine: Any) -> Any:
    """Return the module of a text whose short functions are inline, and whose loops are tested at their ends.

    What other passes would make of a text stands there already. They take two to five times as long, and gain 3 % with
    batches of one row and, on vectors of 32 bytes, 7 % for 2-3-3-1. One of them, NewGVN, stops the process for some
    texts.
    """
    import llvmlite.binding as llvm

    module = _parsed(text, machine)
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_loop_rotate_pass()
    passes.run(module, _pass_builder(machine))
    return module


def _parsed(text: str, machine: Any) -> Any:
    """Return the module of a text, for a processor."""
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(text)
    module.verify()
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    return module


def _pass_builder(machine: Any) -> Any:
    import llvmlite.binding as llvm

    options = llvm.create_pipeline_tuning_options(speed_level=OPTIMIZATION)
    options.slp_vectorization = options.loop_vectorization = False  # lanes are vectors already
    return llvm.create_pass_builder(machine, options)
