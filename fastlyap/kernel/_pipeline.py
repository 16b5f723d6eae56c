"""A lighter compiler pipeline for kernels that only other kernels call.

Numba turns every function into machine code of its own, also those that end up inlined into their caller; for
our kernels that is more than a third of the compile time. Here such a function stops at LLVM code, which its
caller links in. The entry points go through Numba's own pipeline.
"""

import ctypes

from numba import _dynfunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering

_RAISES = ctypes.cast(ctypes.pythonapi.PyObject_GetItem, ctypes.c_void_p).value


def _refusal(library, fndesc, env):
    """What Python gets to call: Numba wants a C function; this one raises TypeError whatever its arguments."""
    return _dynfunc.make_function(fndesc.lookup_module(), fndesc.qualname, "", _RAISES, env, (library,))


class InlinedLibrary(JITCodeLibrary):
    """LLVM code that is linked into its callers and never becomes machine code by itself."""

    def _optimize_final_module(self) -> None:
        """Left to the caller, who optimises everything at once."""

    def _finalize_final_module(self) -> None:
        for variable in self._final_module.global_variables:
            if variable.name.startswith("numba.dynamic.globals"):
                variable.linkage = "internal"  # a mere mention of a function; unused once that is inlined
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        self._ensure_finalized()
        return 0


@register_pass(mutates_CFG=True, analysis_only=False)
class InlinedLowering(NativeLowering):
    """Numba's lowering into an `InlinedLibrary`."""

    _name = "inlined_lowering"

    def run_pass(self, state) -> bool:
        context = state.targetctx
        state.library = InlinedLibrary(context.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        context.get_executable = _refusal
        try:
            return super().run_pass(state)
        finally:
            del context.get_executable


class InlinedCompiler(CompilerBase):
    """Numba's nopython pipeline with `InlinedLowering` in the place of its own lowering."""

    def define_pipelines(self) -> list:
        builder = DefaultPassBuilder.define_nopython_pipeline(self.state)
        builder.add_pass_after(InlinedLowering, NativeLowering)
        builder.passes = [entry for entry in builder.passes if entry[0] is not NativeLowering]
        builder._finalized = False
        builder.finalize()
        return [builder]
