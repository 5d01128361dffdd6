"""Assemble a text in LLVM's language to a module of WebAssembly: of an object file, with exports."""

from deltarule.engines.compiled.machine_code import OPTIMIZATION, optimized

TRIPLE = "wasm32-unknown-unknown"


def assemble(text: str) -> bytes:
    """Return the module of a text, with vectors of 128 bits, which exports each of its functions by name."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(TRIPLE).create_target_machine(features="+simd128", opt=OPTIMIZATION)
    module = optimized(text, machine)
    names = [function.name for function in module.functions if not function.is_declaration]
    return _with_exports(bytes(machine.emit_object(module)), names)


def _with_exports(whole: bytes, names: list[str]) -> bytes:
    """Add exports to an object file, and leave out what only a linker reads."""
    parts, at = [whole[:8]], 8
    exports = b"".join(_text(name) + b"\0" + _number(index) for index, name in enumerate(names))
    while at < len(whole):
        kind, (size, start) = whole[at], _read_number(whole, at + 1)
        if kind == 10:  # the functions' code, before which exports stand
            parts.append(_section(7, _number(len(names)) + exports))
        assert kind in (0, 1, 2, 3, 10), f"the module has a section {kind}, which needs a linker"
        if kind:
            parts.append(_section(kind, whole[start : start + size]))
        at = start + size
    return b"".join(parts)


def _section(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + _number(len(content)) + content


def _text(name: str) -> bytes:
    return _number(len(name)) + name.encode()


def _number(value: int) -> bytes:
    """A number in groups of seven bits, as WebAssembly writes it."""
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + _number(rest) if rest else bytes([low])


def _read_number(content: bytes, at: int) -> tuple[int, int]:
    """Return a number, and where what follows begins."""
    low = content[at]
    if low < 128:
        return low, at + 1
    rest, after = _read_number(content, at + 1)
    return (low & 127) | rest << 7, after
