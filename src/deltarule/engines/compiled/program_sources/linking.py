"""Link the functions of a program first, then optimize them as a whole and make machine code of them once.

This file is never imported by the library: its text is the head of every compiled program.

By default Numba does both for each function alone, and optimizes it again within each function that calls it: a third
of the time that a program takes to compile. Python calls a single function of a program, so all others are only linked
into that one. No number that a program computes depends on it, as fast mathematics is
allowed nowhere.
"""

from contextlib import contextmanager
from gc import disable, enable, isenabled

import llvmlite.binding as llvm
import numba
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler


class LinkedOnce(Compiler):
    """Numba's pipeline for the function that Python calls: the `pipeline_class` of `njit` or `cfunc`."""

    is_optimized = True

    def _compile_core(self):
        state = self.state
        codegen = state.targetctx.codegen()
        state.library = EntryLibrary(codegen, state.func_id.func_qualname)
        state.library.is_optimized = self.is_optimized
        state.library.enable_object_caching()
        with inner_libraries(codegen), no_garbage_collection():
            return super()._compile_core()


class LinkedAsWritten(LinkedOnce):
    """The same for code that is written as the processor shall run it: variables become registers, that is all."""

    is_optimized = False


@contextmanager
def inner_libraries(codegen):
    """Compile functions that compiled functions alone call. Numba compiles one program at a time, in all threads."""
    before = codegen._library_class
    codegen._library_class = InnerLibrary
    try:
        yield
    finally:
        codegen._library_class = before


@contextmanager
def no_garbage_collection():
    """Look for no circles of objects: a compiler makes millions of objects, and keeps most of them until it is done."""
    was_enabled = isenabled()
    disable()
    try:
        yield
    finally:
        if was_enabled:
            enable()


class Library(JITCodeLibrary):
    """The code of a function, which stays as Numba wrote it until that of its caller is complete."""

    def _optimize_functions(self, module):
        """Only state how numbers lie in memory: the whole is optimized later."""
        module.data_layout = self._codegen._data_layout

    def link_called(self, target):
        """Link into a module, once each, all functions that this one calls, and those that they call."""
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
    """The code of a function that Python calls, and of all that it calls."""

    is_optimized = True

    def _optimize_functions(self, module):
        """Simplify code that is not optimized later."""
        if self.is_optimized:
            super()._optimize_functions(module)
        else:
            JITCodeLibrary._optimize_functions(self, module)

    def finalize(self):
        """Link, optimize, and make machine code."""
        self._raise_if_finalized()
        self.link_called(self._final_module)
        if self.is_optimized:
            manager, builder = self._codegen._module_pass_manager()
        else:
            manager, builder = self._codegen._module_pass_manager(loop_vectorize=False, opt=0, cost="cheap")
        manager.run(self._final_module, builder)
        self._final_module.verify()
        self._finalize_final_module()


class InnerLibrary(Library):
    """The code of a function that compiled functions alone call: it has no machine code of its own, and no address."""

    def finalize(self):
        """Take no further code."""
        self._raise_if_finalized()
        self._finalized = True

    def linkable_module(self):
        """A copy of the function's own code that may be linked to several modules."""
        module = self._final_module.clone()
        for function in module.functions:
            if not function.is_declaration and function.linkage == llvm.Linkage.external:
                function.linkage = "linkonce_odr"
        return module

    def _get_module_for_linking(self):
        """The code with all that it calls, for another program that uses the same function of Numba's."""
        if self._shared_module is None:
            self._shared_module = self.linkable_module()
            self.link_called(self._shared_module)
        return self._shared_module

    def get_pointer_to_function(self, name):
        """No address, which in Numba is 0."""
        return 0

    @property
    def codegen(self):
        """What Numba asks to remember the function's Python objects, which its code never needs."""
        return NoEnvironments()


class NoEnvironments:
    """What takes the place of a library's code generator."""

    def set_env(self, name, environment):
        """Do nothing."""


if tuple(map(int, numba.__version__.split(".")[:2])) > (0, 68):
    LinkedOnce = LinkedAsWritten = Compiler  # classes used above may differ in a version that this was not tried with
