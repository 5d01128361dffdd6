"""The head of every program: its functions are linked, then compiled once.

This file is never imported by the library: its text comes first in every compiled program.

By default Numba does both for each function alone, and optimizes it again within each function that calls it: a third
of the time that a program takes to compile. Python calls a single function of a program, so all others are only linked
into that one. No number that a program computes depends on it, as fast mathematics is allowed nowhere.

What it buys: the program for large networks compiles in two thirds of the time, an encoder's in the same. It rests on
Numba's private classes: with a version that it was not tried with, its last line leaves compiling to Numba.
"""

import gc
from contextlib import contextmanager
from types import SimpleNamespace

import llvmlite.binding as llvm
import numba
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler


class LinkedOnce(Compiler):
    """The `pipeline_class` of the function that Python calls: link, then optimize."""

    is_optimized = True

    def _compile_core(self):
        """Compile the function as an `EntryLibrary`, what it calls as `InnerLibrary`."""
        state = self.state
        codegen = state.targetctx.codegen()
        state.library = EntryLibrary(codegen, state.func_id.func_qualname)
        state.library.is_optimized = self.is_optimized
        state.library.enable_object_caching()
        with inner_libraries(codegen):
            return super()._compile_core()


class LinkedAsWritten(LinkedOnce):
    """`LinkedOnce` without optimization, for code that is in its final form."""

    is_optimized = False


@contextmanager
def inner_libraries(codegen):
    """Compile the functions of this context into `InnerLibrary`, under Numba's lock."""
    before, was_enabled = codegen._library_class, gc.isenabled()
    codegen._library_class = InnerLibrary
    gc.disable()  # a compiler makes millions of lasting objects
    try:
        yield
    finally:
        codegen._library_class = before
        if was_enabled:
            gc.enable()


class Library(JITCodeLibrary):
    """The LLVM code of a function, which is optimized with that of its caller."""

    def _optimize_functions(self, module):
        """Set only the data layout of a module, which is optimized later."""
        module.data_layout = self._codegen._data_layout

    def link_called(self, target):
        """Link into `target`, once each, all functions that this one calls."""
        linked, waiting = set(), list(self._linking_libraries)
        for library in waiting:  # which grows
            if library in linked:
                continue
            linked.add(library)
            if hasattr(library, "_reload_init"):  # Numba 0.63 and later
                self._reload_init.update(library._reload_init)
            if isinstance(library, InnerLibrary):
                waiting += library._linking_libraries
                target.link_in(library.linkable_module())
            else:
                target.link_in(library._get_module_for_linking(), preserve=True)


class EntryLibrary(Library):
    """The LLVM code of a function that Python calls, and of all it calls."""

    is_optimized = True

    def finalize(self):
        """Link all functions, optimize them as a whole, and compile them."""
        self._raise_if_finalized()
        self.link_called(self._final_module)
        if self.is_optimized:
            manager, builder = self._codegen._module_pass_manager()
        else:
            JITCodeLibrary._optimize_functions(self, self._final_module)
            manager, builder = self._codegen._module_pass_manager(loop_vectorize=False, opt=0, cost="cheap")
        manager.run(self._final_module, builder)
        self._final_module.verify()
        self._finalize_final_module()


class InnerLibrary(Library):
    """The LLVM code of a function that only compiled functions call."""

    def finalize(self):
        """Accept no further code; machine code is made by the `EntryLibrary` alone."""
        self._raise_if_finalized()
        self._finalized = True

    def linkable_module(self):
        """Return a copy of the function's own code, to be linked into many modules."""
        module = self._final_module.clone()
        for function in module.functions:
            if not function.is_declaration and function.linkage == llvm.Linkage.external:
                function.linkage = "linkonce_odr"
        return module

    def _get_module_for_linking(self):
        """Return the code with that of all it calls, for other Numba code."""
        if self._shared_module is None:
            self._shared_module = self.linkable_module()
            self.link_called(self._shared_module)
        return self._shared_module

    def get_pointer_to_function(self, name):
        """Return 0, which in Numba means that there is no address."""
        return 0

    @property
    def codegen(self):
        """What Numba asks to register an environment, which this code never needs."""
        return SimpleNamespace(set_env=lambda name, environment: None)


if tuple(map(int, numba.__version__.split(".")[:2])) > (0, 68):
    LinkedOnce = LinkedAsWritten = Compiler  # classes used above may differ in a version that this was not tried with

entry = numba.njit(
    error_model="numpy", _nrt=False, nogil=True, cache=True, no_cfunc_wrapper=True, pipeline_class=LinkedOnce
)
"""The decorator of the one function of a program that Python calls."""
