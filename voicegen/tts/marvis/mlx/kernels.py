"""The steps of a frame as kernels of our own: one description each, which Metal and CUDA both compile.

A launch is what a frame costs on either, and MLX's operators take some twelve for a layer's attention and as many for a
draw. Nothing is changed in place: attention reads what is kept anyway, and writes it down with the new position.
What the two languages say differently is in their headers; what both must equal is `PlainSteps`.
"""

from __future__ import annotations

from typing import Any

import mlx.core as mx

from voicegen.tts.marvis.drawing import CODEBOOK_STRIDE, GOLDEN, Sampling
from voicegen.tts.marvis.frame_runner import BROKEN
from voicegen.tts.marvis.mlx.model import MLXModel, Transformer
from voicegen.tts.marvis.mlx.steps import Kept

THREADS = 256
"""That draw a code together."""
EACH_TOLD = 4
EACH_GATES = 4
"""Gates of a thread."""
MOST_THREADS = 1024  # of a block, on either

METAL = """
#define FUNCTION inline
#define SHARED threadgroup
#define BARRIER threadgroup_barrier(mem_flags::mem_threadgroup)
#define BITS(x) as_type<uint>(x)
#define EXP metal::precise::exp
#define LOG metal::precise::log
#define SIN metal::precise::sin
#define COS metal::precise::cos
#define SQRT metal::precise::sqrt
#define WARP_SUM simd_sum
#define WARP_MAX simd_max
"""
METAL_PLACE = """
    const unsigned block = threadgroup_position_in_grid.x, thread = thread_position_in_threadgroup.x;
"""
CUDA = """
#define FUNCTION __device__ inline
#define SHARED __shared__
#define BARRIER __syncthreads()
#define BITS(x) __float_as_uint(x)
#define EXP expf
#define LOG logf
#define SIN sinf
#define COS cosf
#define SQRT sqrtf
template <typename N>
__device__ inline N WARP_SUM(N x) {
    for (int apart = 16; apart > 0; apart /= 2) x += __shfl_xor_sync(0xffffffffu, x, apart);
    return x;
}
__device__ inline unsigned WARP_SUM(unsigned x) { return __reduce_add_sync(0xffffffffu, x); }
__device__ inline unsigned WARP_MAX(unsigned x) { return __reduce_max_sync(0xffffffffu, x); }
"""
CUDA_PLACE = """
    const unsigned block = blockIdx.x, thread = threadIdx.x;
"""

ATTENTION = """
    // A block has a slot and the query heads of one of its key heads. PARTS warps have a head: they take the chunks of
    // positions in turn, the first of them the new positions too, and their shares are put together at the end. A lane
    // holds dimensions lane + 32 j, and those half a head further on, which turn with them.
    // All of a chunk is loaded before any of it is stored: a compiler that cannot tell arrays apart waits at a store.
    SHARED float shares[PARTS > 1 ? (PARTS - 1) * GROUP * TOKENS * (2 + 64 * PAIRS) : 1];
    const unsigned lane = thread % 32, head = thread / 32 % GROUP, part = thread / 32 / GROUP;
    const unsigned slot = block / KV, group = block % KV;
    const int place = places[EACH ? slot : 0];
    const unsigned half = DIM / 2, first = (slot * KV + group) * ROWS * DIM;
    const float scale = 1.0f / SQRT(float(DIM));
    float query[TOKENS][PAIRS][2], key[TOKENS][PAIRS][2], value[TOKENS][PAIRS][2];
    float most[TOKENS], total[TOKENS], sum[TOKENS][PAIRS][2];

    #pragma unroll
    for (int t = 0; t < TOKENS; ++t) {
        const unsigned heads = (slot * TOKENS + t) * KV * (GROUP + 2);
        const unsigned of_query = (heads + group * GROUP + head) * DIM, of_key = (heads + KV * GROUP + group) * DIM;
        const unsigned of_value = of_key + KV * DIM;
        most[t] = -1e30f;
        total[t] = 0.0f;
        #pragma unroll
        for (int j = 0; j < PAIRS; ++j) {
            const unsigned i = lane + 32 * j;
            const bool inside = i < half;
            const float angle = inside ? float(place + t) * (1.0f / waves[i]) : 0.0f;
            const float c = COS(angle), s = SIN(angle);
            const float qa = inside ? float(qkv[of_query + i]) : 0.0f;
            const float qb = inside ? float(qkv[of_query + half + i]) : 0.0f;
            const float ka = inside ? float(qkv[of_key + i]) : 0.0f;
            const float kb = inside ? float(qkv[of_key + half + i]) : 0.0f;
            query[t][j][0] = float(T(qa * c - qb * s));
            query[t][j][1] = float(T(qa * s + qb * c));
            key[t][j][0] = float(T(ka * c - kb * s));
            key[t][j][1] = float(T(ka * s + kb * c));
            #pragma unroll
            for (int side = 0; side < 2; ++side) {
                value[t][j][side] = inside ? float(qkv[of_value + i + side * half]) : 0.0f;
                sum[t][j][side] = 0.0f;
            }
        }
    }

    for (int start = part * CHUNK; start < place; start += PARTS * CHUNK) {
        T k[CHUNK][PAIRS][2], v[CHUNK][PAIRS][2];
        #pragma unroll
        for (int n = 0; n < CHUNK; ++n) {
            #pragma unroll
            for (int j = 0; j < PAIRS; ++j) {
                #pragma unroll
                for (int side = 0; side < 2; ++side) {
                    const unsigned i = lane + 32 * j, at = first + (start + n) * DIM + side * half + i;
                    const bool there = i < half && start + n < place;
                    k[n][j][side] = there ? keys[at] : T(0.0f);
                    v[n][j][side] = there ? values[at] : T(0.0f);
                }
            }
        }
        #pragma unroll
        for (int n = 0; n < CHUNK; ++n) {
            #pragma unroll
            for (int j = 0; j < PAIRS; ++j) {
                #pragma unroll
                for (int side = 0; side < 2; ++side) {
                    const unsigned i = lane + 32 * j, at = first + (start + n) * DIM + side * half + i;
                    const bool there = i < half && start + n < place;
                    if (there && head == 0) kept_keys[at] = k[n][j][side];
                    if (there && head == GROUP - 1) kept_values[at] = v[n][j][side];
                }
            }
        }
        #pragma unroll
        for (int t = 0; t < TOKENS; ++t) {
            float score[CHUNK], highest = most[t];
            #pragma unroll
            for (int n = 0; n < CHUNK; ++n) {
                float dot = 0.0f;
                #pragma unroll
                for (int j = 0; j < PAIRS; ++j)
                    dot += query[t][j][0] * float(k[n][j][0]) + query[t][j][1] * float(k[n][j][1]);
                score[n] = WARP_SUM(dot) * scale;
                if (start + n < place && score[n] > highest) highest = score[n];
            }
            const float shrink = EXP(most[t] - highest);
            most[t] = highest;
            total[t] *= shrink;
            #pragma unroll
            for (int j = 0; j < PAIRS; ++j) {
                sum[t][j][0] *= shrink;
                sum[t][j][1] *= shrink;
            }
            #pragma unroll
            for (int n = 0; n < CHUNK; ++n) {
                const float weight = start + n < place ? EXP(score[n] - highest) : 0.0f;
                total[t] += weight;
                #pragma unroll
                for (int j = 0; j < PAIRS; ++j) {
                    sum[t][j][0] += weight * float(v[n][j][0]);
                    sum[t][j][1] += weight * float(v[n][j][1]);
                }
            }
        }
    }

    if (PARTS > 1) {
        if (part > 0) {
            #pragma unroll
            for (int t = 0; t < TOKENS; ++t) {
                const unsigned share = (((part - 1) * GROUP + head) * TOKENS + t) * (2 + 64 * PAIRS);
                shares[share] = most[t];
                shares[share + 1] = total[t];
                #pragma unroll
                for (int j = 0; j < PAIRS; ++j) {
                    shares[share + 2 + 64 * j + lane] = sum[t][j][0];
                    shares[share + 34 + 64 * j + lane] = sum[t][j][1];
                }
            }
        }
        BARRIER;
    }
    if (part > 0) return;

    #pragma unroll
    for (int t = 0; t < TOKENS; ++t) {
        for (int other = 0; other < PARTS - 1; ++other) {
            const unsigned share = ((other * GROUP + head) * TOKENS + t) * (2 + 64 * PAIRS);
            const float highest = shares[share] > most[t] ? shares[share] : most[t];
            const float shrink = EXP(most[t] - highest), weight = EXP(shares[share] - highest);
            most[t] = highest;
            total[t] = total[t] * shrink + weight * shares[share + 1];
            #pragma unroll
            for (int j = 0; j < PAIRS; ++j) {
                sum[t][j][0] = sum[t][j][0] * shrink + weight * shares[share + 2 + 64 * j + lane];
                sum[t][j][1] = sum[t][j][1] * shrink + weight * shares[share + 34 + 64 * j + lane];
            }
        }
        #pragma unroll
        for (int u = 0; u <= t; ++u) {
            float dot = 0.0f;
            #pragma unroll
            for (int j = 0; j < PAIRS; ++j) dot += query[t][j][0] * key[u][j][0] + query[t][j][1] * key[u][j][1];
            const float score = WARP_SUM(dot) * scale, highest = score > most[t] ? score : most[t];
            const float shrink = EXP(most[t] - highest), weight = EXP(score - highest);
            most[t] = highest;
            total[t] = total[t] * shrink + weight;
            #pragma unroll
            for (int j = 0; j < PAIRS; ++j) {
                sum[t][j][0] = sum[t][j][0] * shrink + weight * value[u][j][0];
                sum[t][j][1] = sum[t][j][1] * shrink + weight * value[u][j][1];
            }
        }
        #pragma unroll
        for (int j = 0; j < PAIRS; ++j) {
            #pragma unroll
            for (int side = 0; side < 2; ++side) {
                const unsigned i = lane + 32 * j, at = side * half + i, kept = first + (place + t) * DIM + at;
                if (i >= half) continue;
                mixed[((slot * TOKENS + t) * KV * GROUP + group * GROUP + head) * DIM + at] =
                    T(sum[t][j][side] / total[t]);
                if (head == 0) kept_keys[kept] = T(key[t][j][side]);
                if (head == GROUP - 1) kept_values[kept] = T(value[t][j][side]);
            }
        }
    }
"""

HASH = """
FUNCTION unsigned mixed_bits(unsigned x) {
    x = (x ^ (x >> 16)) * 0x7FEB352Du;
    x = (x ^ (x >> 15)) * 0x846CA68Bu;
    return x ^ (x >> 16);
}
FUNCTION unsigned in_order(unsigned bits) { return (bits & 0x80000000u) ? ~bits : (bits | 0x80000000u); }
// Of a block's threads, each of which then has it. Two lists of the warps' in turn: who writes to one has met all others
// since they read it.
#define OF_BLOCK(OF_WARP, n, together) \\
    n = OF_WARP(n); \\
    if (thread % 32 == 0) found[turn][thread / 32] = n; \\
    BARRIER; \\
    n = found[turn][0]; \\
    for (int warp = 1; warp < THREADS / 32; ++warp) n = together; \\
    turn = 1 - turn
"""
DRAW = """
    // A block draws a slot's code. The k-th largest logit is found two bits at a time, by counting, among numbers that
    // are in the order of the logits.
    SHARED unsigned found[2][THREADS / 32], counts[2][3][THREADS / 32];
    const float temperature = temperatures[0];
    const unsigned top = unsigned(tops[0]), slot = block, book = unsigned(books[0]);
    int turn = 0;
    float value[EACH_THREAD];
    unsigned rank[EACH_THREAD], broken = 0;
    #pragma unroll
    for (int j = 0; j < EACH_THREAD; ++j) {
        const unsigned code = thread + j * THREADS;
        value[j] = code < VOCAB ? float(logits[slot * STRIDE + code]) + 0.0f : 0.0f;
        broken += (BITS(value[j]) & 0x7F800000u) == 0x7F800000u;
    }
    OF_BLOCK(WARP_SUM, broken, broken + found[turn][warp]);
    #pragma unroll
    for (int j = 0; j < EACH_THREAD; ++j) {
        if (broken) value[j] = 0.0f;
        rank[j] = thread + j * THREADS < VOCAB ? in_order(BITS(value[j])) : 0u;
    }
    unsigned least = 0;
    if (temperature > 0.0f && top > 0 && top < VOCAB) {
        for (int bit = 30; bit >= 0; bit -= 2) {
            unsigned above[3] = {0, 0, 0}, more = 0;
            #pragma unroll
            for (int j = 0; j < EACH_THREAD; ++j) {
                #pragma unroll
                for (int digit = 0; digit < 3; ++digit) above[digit] += rank[j] >= (least | ((digit + 1u) << bit));
            }
            #pragma unroll
            for (int digit = 0; digit < 3; ++digit) {
                above[digit] = WARP_SUM(above[digit]);
                if (thread % 32 == 0) counts[turn][digit][thread / 32] = above[digit];
            }
            BARRIER;
            #pragma unroll
            for (int digit = 0; digit < 3; ++digit) {
                unsigned all = 0;
                #pragma unroll
                for (int warp = 0; warp < THREADS / 32; ++warp) all += counts[turn][digit][warp];
                more += all >= top;  // those of a larger digit are among those of a smaller one
            }
            least |= more << bit;
            turn = 1 - turn;
        }
    }
    const unsigned counter = mixed_bits(unsigned(counters[slot * 3 + 1]) * CODEBOOK_STRIDE + book);
    const unsigned one = mixed_bits(seeds[slot * 2] + counter), other = mixed_bits(seeds[slot * 2 + 1] ^ counter);
    unsigned best = 0, chosen = 0;
    #pragma unroll
    for (int j = 0; j < EACH_THREAD; ++j) {
        const unsigned code = thread + j * THREADS;
        float score = value[j];
        if (temperature > 0.0f) {
            const unsigned bits = mixed_bits(mixed_bits(code * GOLDEN + one) ^ other);
            const float uniform = (float(bits >> 9) + 0.5f) * 1.1920928955078125e-07f;
            score += temperature * -LOG(-LOG(uniform));
        }
        const unsigned order = code < VOCAB && rank[j] >= least ? in_order(BITS(score)) : 0u;
        if (order > best) {
            best = order;
            chosen = code;
        }
    }
    unsigned highest = best;
    OF_BLOCK(WARP_MAX, highest, highest > found[turn][warp] ? highest : found[turn][warp]);
    unsigned before = best == highest ? ~chosen : 0u;  // the largest is that of the first code
    OF_BLOCK(WARP_MAX, before, before > found[turn][warp] ? before : found[turn][warp]);
    const unsigned code = ~before;
    for (unsigned i = thread; i < WIDTH; i += THREADS * EACH) {
        T held[EACH];
        #pragma unroll
        for (int j = 0; j < EACH; ++j) held[j] = i + j * THREADS < WIDTH ? table[code * WIDTH + i + j * THREADS] : T(0.0f);
        #pragma unroll
        for (int j = 0; j < EACH; ++j) if (i + j * THREADS < WIDTH) told[slot * WIDTH + i + j * THREADS] = held[j];
    }
    for (unsigned column = thread; column < COLUMNS; column += THREADS) {
        int held = row[slot * COLUMNS + column];
        if (column == book) held = int(code);
        if (column == COLUMNS - 1 && broken) held = BROKEN;
        drawn[slot * COLUMNS + column] = held;
    }
"""

GATES = """
    for (int j = 0; j < EACH; ++j) {
        const unsigned at = (block * EACH + j) * THREADS + thread, place = at / INNER * 2 * INNER + at % INNER;
        if (at >= ROWS * INNER) return;
        const float gate = float(gate_up[place]);
        passed[at] = T(gate / (1.0f + EXP(-gate)) * float(gate_up[place + INNER]));
    }
"""


class KernelSteps:
    """`Steps` as kernels, on the backend that is there."""

    name = "kernels of our own"

    CHUNK = 8  # positions that are read before any is used, so that their loads are under way together

    def __init__(self, model: MLXModel) -> None:
        self._model = model
        attention, draw = ["qkv", "keys", "values", "places", "waves"], ["logits", "row", "books", "counters", "seeds"]
        self._attention = _made("marvis_attention", attention, ["mixed", "kept_keys", "kept_values"], ATTENTION)
        self._draw = _made(
            "marvis_draw", [*draw, "temperatures", "tops", "table"], ["drawn", "told"], DRAW, header=HASH
        )
        self._gates = _made("marvis_gates", ["gate_up"], ["passed"], GATES)
        # Numbers that change from launch to launch are arrays: as constants they would each be a kernel of their own.
        self._numbers = [mx.array([number], mx.int32) for number in range(model.config.codebooks + 2)]
        self._nothing = mx.zeros(64, model.dtype)
        mx.eval(self._numbers, self._nothing)

    @staticmethod
    def can(model: MLXModel) -> bool:
        """Whether the model's heads fit the kernels."""
        return all(
            part.head_dim % 2 == 0 and part.heads // part.kv_heads * 32 <= MOST_THREADS
            for part in (model.config.backbone, model.config.depth)
        )

    def parts(self, rows: int, group: int) -> int:
        """Warps that share the positions of a head."""
        return 4 if rows > 64 else 2

    def nothing(self, _part: Transformer, _slots: int, _rows: int) -> Kept:
        """What is never read."""
        return self._nothing, self._nothing

    def gated(self, gate_up: mx.array) -> mx.array:
        """See `Steps`."""
        rows, inner = len(gate_up), gate_up.shape[1] // 2
        blocks = -(-rows * inner // (THREADS * EACH_GATES))
        (passed,) = self._gates(
            inputs=[gate_up],
            template=[
                ("T", gate_up.dtype),
                ("ROWS", rows),
                ("INNER", inner),
                ("THREADS", THREADS),
                ("EACH", EACH_GATES),
            ],
            grid=(blocks * THREADS, 1, 1),
            threadgroup=(THREADS, 1, 1),
            output_shapes=[(rows, inner)],
            output_dtypes=[gate_up.dtype],
        )
        return passed

    def attended(
        self, part: Transformer, qkv: mx.array, kept: Kept, place: mx.array | int, rows: int, tokens: int = 1
    ) -> tuple[mx.array, Kept]:
        """See `Steps`."""
        sizes, slots = part.sizes, len(qkv) // tokens
        group = sizes.heads // sizes.kv_heads
        shape = (slots, sizes.kv_heads, rows, sizes.head_dim)
        parts = self.parts(rows, group)
        threads = group * parts * 32
        mixed, keys, values = self._attention(
            inputs=[qkv, *kept, self._numbers[place] if isinstance(place, int) else place, part.waves],
            template=[
                ("T", qkv.dtype),
                ("EACH", not isinstance(place, int)),
                ("TOKENS", tokens),
                ("KV", sizes.kv_heads),
                ("GROUP", group),
                ("DIM", sizes.head_dim),
                ("PAIRS", -(-sizes.head_dim // 64)),
                ("ROWS", rows),
                ("CHUNK", self.CHUNK),
                ("PARTS", parts),
            ],
            grid=(slots * sizes.kv_heads * threads, 1, 1),
            threadgroup=(threads, 1, 1),
            output_shapes=[(slots * tokens, sizes.heads * sizes.head_dim), shape, shape],
            output_dtypes=[qkv.dtype] * 3,
        )
        return mixed, (keys, values)

    def drawn(
        self,
        logits: mx.array,
        row: mx.array,
        codebook: int,
        counters: mx.array,
        seeds: mx.array,
        sampling: Sampling,
    ) -> tuple[mx.array, mx.array]:
        """See `Steps`."""
        table, vocab, slots = self._model.depth_table(codebook), self._model.config.audio_vocab, len(logits)
        temperature = mx.array([sampling.temperature], mx.float32)
        top = mx.array([sampling.top_k], mx.int32)
        drawn, told = self._draw(
            inputs=[logits, row, self._numbers[codebook], counters, seeds, temperature, top, table],
            template=[
                ("T", table.dtype),
                ("EACH", EACH_TOLD),
                ("VOCAB", vocab),
                ("STRIDE", logits.shape[1]),
                ("EACH_THREAD", -(-vocab // THREADS)),
                ("THREADS", THREADS),
                ("COLUMNS", row.shape[1]),
                ("WIDTH", table.shape[1]),
                ("BROKEN", BROKEN),
                ("CODEBOOK_STRIDE", CODEBOOK_STRIDE),
            ],
            grid=(slots * THREADS, 1, 1),
            threadgroup=(THREADS, 1, 1),
            output_shapes=[row.shape, (slots, table.shape[1])],
            output_dtypes=[mx.int32, table.dtype],
        )
        return drawn, told


def _made(name: str, inputs: list[str], outputs: list[str], body: str, header: str = "") -> Any:
    metal = mx.metal.is_available()
    make, language, place = (
        (mx.fast.metal_kernel, METAL, METAL_PLACE) if metal else (mx.fast.cuda_kernel, CUDA, CUDA_PLACE)
    )
    golden = f"#define GOLDEN {GOLDEN}u\n"
    return make(
        name=name,
        input_names=inputs,
        output_names=outputs,
        header=language + golden + header,
        source=place + body,
    )
