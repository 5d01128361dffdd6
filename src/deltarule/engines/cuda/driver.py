"""NVIDIA's driver, by its own library: memory, and kernels from their text."""

import ctypes
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput, DeltaruleError

LIBRARIES = {"win32": "nvcuda.dll"}
"""The names of the driver's library, elsewhere than on Linux."""


class Driver:
    """The first GPU of this computer."""

    def __init__(self) -> None:
        name = LIBRARIES.get(sys.platform, "libcuda.so.1")
        try:
            self._library: Any = ctypes.CDLL(name)
            self._call("cuInit", 0)
            device, self._context = ctypes.c_int(), ctypes.c_void_p()
            self._call("cuDeviceGet", ctypes.byref(device), 0)
            self._call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), device)
        except (OSError, DeltaruleError) as error:
            raise BadInput(
                f'the engine "cuda" needs an NVIDIA GPU with its driver ({error}); take "compiled" without one'
            ) from error

    @cache  # noqa: B019  (there is one driver, as long as the process)
    def kernel(self, ptx: str, name: str) -> ctypes.c_void_p:
        """Return a kernel of a text, compiled for this GPU."""
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuCtxSetCurrent", self._context)
        self._call("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(ptx.encode()))
        self._call("cuModuleGetFunction", ctypes.byref(function), module, ctypes.c_char_p(name.encode()))
        return function

    def launch(
        self, kernel: ctypes.c_void_p, threads: tuple[int, int], numbers: Sequence[int], addresses: Sequence[int]
    ) -> None:
        """Run a kernel of 64-bit numbers and addresses in (blocks, threads of a block), and wait for it."""
        values = (ctypes.c_uint64 * (len(numbers) + len(addresses)))(*numbers, *addresses)
        size = ctypes.sizeof(ctypes.c_uint64)
        first = ctypes.addressof(values)
        pointers = (ctypes.c_void_p * len(values))(*(first + size * index for index in range(len(values))))
        blocks, of_a_block = threads
        self._call("cuLaunchKernel", kernel, blocks, 1, 1, of_a_block, 1, 1, 0, None, pointers, None)
        self._call("cuCtxSynchronize")

    @contextmanager
    def copies(self, arrays: Mapping[str, NDArray[Any]], uninitialized: frozenset[str]) -> Iterator[dict[str, int]]:
        """Give the addresses of copies of arrays on the GPU, by name, until the block ends."""
        self._call("cuCtxSetCurrent", self._context)
        addresses: dict[str, int] = {}
        try:
            for name, array in arrays.items():
                address = ctypes.c_uint64()
                self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(array.nbytes, 1)))
                addresses[name] = address.value
                if name not in uninitialized and array.nbytes:
                    source = np.ascontiguousarray(array)
                    self._call("cuMemcpyHtoD_v2", address, ctypes.c_void_p(source.ctypes.data), _size(source))
            yield addresses
        finally:
            for given in addresses.values():
                self._call("cuMemFree_v2", ctypes.c_uint64(given))

    def read(self, address: int, array: NDArray[Any]) -> None:
        """Overwrite an array by its copy."""
        if array.nbytes:
            target = ctypes.c_void_p(array.ctypes.data)
            self._call("cuMemcpyDtoH_v2", target, ctypes.c_uint64(address), _size(array))

    def _call(self, name: str, *arguments: Any) -> None:
        if code := getattr(self._library, name)(*arguments):
            words = ctypes.c_char_p()
            self._library.cuGetErrorString(code, ctypes.byref(words))
            raise DeltaruleError(f"{name} failed: {(words.value or str(code).encode()).decode()}")


def _size(array: NDArray[Any]) -> ctypes.c_size_t:
    return ctypes.c_size_t(array.nbytes)


@cache
def driver() -> Driver:
    return Driver()
