"""Runs the kernels of `mlx/kernel_texts.py` on a processor, where MLX runs none: each block's threads as coroutines.

Knows what the two languages of GPUs have in common: a block, its threads in warps of 32, barriers, and what a warp
finds together. Every thread of a block must come by the same of them.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

_TYPES = {mx.float32: "float", mx.float16: "_Float16", mx.int32: "int", mx.uint32: "unsigned"}
_NUMPY: dict[mx.Dtype, Any] = {
    mx.float32: np.float32,
    mx.float16: np.float16,
    mx.int32: np.int32,
    mx.uint32: np.uint32,
}

_MACHINE = """
#include <cmath>
#include <cstring>
#include <ucontext.h>
#include <vector>
static ucontext_t home;
static std::vector<ucontext_t> threads;
static std::vector<char> ended;
static unsigned current;
static void wait_for_all() { swapcontext(&threads[current], &home); }
static unsigned bits_of(float x) { unsigned bits; std::memcpy(&bits, &x, 4); return bits; }
template <typename N, typename F> static N of_warp(unsigned thread, N x, F together) {
    static N given[1024];
    given[thread] = x;
    wait_for_all();
    N all = given[thread / 32 * 32];
    for (unsigned lane = 1; lane < 32; ++lane) all = together(all, given[thread / 32 * 32 + lane]);
    wait_for_all();
    return all;
}
#define FUNCTION static inline
#define SHARED static
#define BARRIER wait_for_all()
#define BITS bits_of
#define EXP std::exp
#define LOG std::log
#define SIN std::sin
#define COS std::cos
#define SQRT std::sqrt
#define WARP_SUM(x) of_warp(thread, x, [](auto a, auto b) { return a + b; })
#define WARP_MAX(x) of_warp(thread, x, [](auto a, auto b) { return a > b ? a : b; })
"""
_RUN = """
static void** given;
static unsigned at_block;
static void begin() {
    kernel(at_block, current, given);
    ended[current] = 1;
    swapcontext(&threads[current], &home);
}
extern "C" void run(void** arguments, unsigned blocks, unsigned count) {
    std::vector<std::vector<char>> stacks(count, std::vector<char>(1 << 16));
    given = arguments;
    for (at_block = 0; at_block < blocks; ++at_block) {
        threads.assign(count, ucontext_t());
        ended.assign(count, 0);
        for (unsigned i = 0; i < count; ++i) {
            getcontext(&threads[i]);
            threads[i].uc_stack.ss_sp = stacks[i].data();
            threads[i].uc_stack.ss_size = stacks[i].size();
            threads[i].uc_link = &home;
            makecontext(&threads[i], begin, 0);
        }
        for (unsigned left = count; left > 0;) {
            for (current = 0; current < count; ++current) {
                if (ended[current]) continue;
                swapcontext(&home, &threads[current]);
                left -= ended[current];
            }
        }
    }
}
"""


def maker(folder: Path) -> Callable[..., Any]:
    """What stands in the place of `mx.fast.metal_kernel`; compiled code goes into a folder."""

    def make(name: str, input_names: list[str], output_names: list[str], source: str, header: str) -> Any:
        def call(
            inputs: Sequence[mx.array],
            template: Sequence[tuple[str, Any]],
            grid: tuple[int, int, int],
            threadgroup: tuple[int, int, int],
            output_shapes: Sequence[tuple[int, ...]],
            output_dtypes: Sequence[mx.Dtype],
        ) -> list[mx.array]:
            given = [np.ascontiguousarray(np.array(array)) for array in inputs]
            made = [
                np.full(shape, 77, _NUMPY[dtype]) for shape, dtype in zip(output_shapes, output_dtypes, strict=True)
            ]
            types = [_TYPES[array.dtype] for array in inputs] + [_TYPES[dtype] for dtype in output_dtypes]
            names = [*input_names, *output_names]
            taken = "".join(
                f"    {kind}* {name} = ({kind}*)arguments[{place}];\n"
                for place, (kind, name) in enumerate(zip(types, names, strict=True))
            )
            code = f"{header}\nstatic void kernel(unsigned block, unsigned thread, void** arguments) {{\n"
            code = _MACHINE + code + _constants(template) + taken + source + "}\n" + _RUN
            library = _compiled(folder / f"{name}_{sha256(code.encode()).hexdigest()[:16]}.cpp", code)
            arguments = (ctypes.c_void_p * len(names))(*(array.ctypes.data for array in (*given, *made)))
            library.run(arguments, grid[0] // threadgroup[0], threadgroup[0])
            return [mx.array(array) for array in made]

        return call

    return make


def _constants(template: Sequence[tuple[str, Any]]) -> str:
    return "".join(
        f"    using {name} = {_TYPES[value]};\n"
        if isinstance(value, mx.Dtype)
        else f"    constexpr int {name} = {int(value)};\n"
        for name, value in template
    )


def _compiled(path: Path, code: str) -> Any:
    library = path.with_suffix(".so")
    if not library.exists():
        path.write_text(code)
        command = [
            "g++",
            "-std=c++17",
            "-O1",
            "-fPIC",
            "-shared",
            "-Wno-unknown-pragmas",
            str(path),
            "-o",
            str(library),
        ]
        subprocess.run(command, check=True, capture_output=True, text=True)
    return ctypes.CDLL(str(library))
