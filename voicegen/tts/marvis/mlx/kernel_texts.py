"""The texts of our kernels for MLX, which Metal and CUDA both compile, and what the two languages say differently."""

from __future__ import annotations

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

DIVISOR = """
// What the product of a row that was not normalized is to be multiplied by, found by a block; 1 where NORM is 0, which
// else is the row's width.
#define FACTOR(row) \\
    SHARED float squares_of[THREADS / 32]; \\
    float factor = 1.0f; \\
    if (NORM > 0) { \\
        float squares = 0.0f; \\
        for (int i = thread; i < NORM; i += THREADS) { \\
            const float x = float(undivided[(row) * NORM + i]); \\
            squares += x * x; \\
        } \\
        squares = WARP_SUM(squares); \\
        if (thread % 32 == 0) squares_of[thread / 32] = squares; \\
        BARRIER; \\
        squares = 0.0f; \\
        for (int warp = 0; warp < THREADS / 32; ++warp) squares += squares_of[warp]; \\
        factor = 1.0f / SQRT(squares / NORM + epsilons[0]); \\
    }
"""

ATTENTION = """
    // A block has a slot and the query heads of one of its key heads, a warp each. A lane holds dimensions lane + 32 j,
    // and those half a head further on, which turn with them. All of a chunk is loaded before any of it is stored: what
    // a compiler cannot tell apart it loads after each store, one by one.
    const unsigned lane = thread % 32, head = thread / 32, slot = block / KV, group = block % KV;
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
        float factor = 1.0f;
        if (NORM > 0) {
            float squares = 0.0f;
            #pragma unroll 8
            for (int i = lane; i < NORM; i += 32) {
                const float x = float(undivided[(slot * TOKENS + t) * NORM + i]);
                squares += x * x;
            }
            factor = 1.0f / SQRT(WARP_SUM(squares) / NORM + epsilons[0]);
        }
        most[t] = -1e30f;
        total[t] = 0.0f;
        #pragma unroll
        for (int j = 0; j < PAIRS; ++j) {
            const unsigned i = lane + 32 * j;
            const bool inside = i < half;
            const float angle = inside ? float(place + t) * (1.0f / waves[i]) : 0.0f;
            const float c = COS(angle), s = SIN(angle);
            const float qa = inside ? factor * float(qkv[of_query + i]) : 0.0f;
            const float qb = inside ? factor * float(qkv[of_query + half + i]) : 0.0f;
            const float ka = inside ? factor * float(qkv[of_key + i]) : 0.0f;
            const float kb = inside ? factor * float(qkv[of_key + half + i]) : 0.0f;
            query[t][j][0] = float(T(qa * c - qb * s));
            query[t][j][1] = float(T(qa * s + qb * c));
            key[t][j][0] = float(T(ka * c - kb * s));
            key[t][j][1] = float(T(ka * s + kb * c));
            #pragma unroll
            for (int side = 0; side < 2; ++side) {
                value[t][j][side] = inside ? factor * float(qkv[of_value + i + side * half]) : 0.0f;
                sum[t][j][side] = 0.0f;
            }
        }
    }

    for (int start = 0; start < place; start += CHUNK) {
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

    #pragma unroll
    for (int t = 0; t < TOKENS; ++t) {
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
// Of a block's threads, each of which then has it. The warps' are in two lists in turn, so that nobody writes where
// others still read.
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
    FACTOR(slot);
    float value[EACH_THREAD];
    unsigned rank[EACH_THREAD], broken = 0;
    #pragma unroll
    for (int j = 0; j < EACH_THREAD; ++j) {
        const unsigned code = thread + j * THREADS;
        value[j] = code < VOCAB ? factor * float(logits[slot * STRIDE + code]) + 0.0f : 0.0f;
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
        for (int j = 0; j < EACH; ++j) {
            const unsigned at = i + j * THREADS;
            held[j] = at < WIDTH ? table[code * WIDTH + at] : T(0.0f);
        }
        #pragma unroll
        for (int j = 0; j < EACH; ++j) {
            if (i + j * THREADS < WIDTH) told[slot * WIDTH + i + j * THREADS] = held[j];
        }
    }
    for (unsigned column = thread; column < COLUMNS; column += THREADS) {
        int held = row[slot * COLUMNS + column];
        if (column == book) held = int(code);
        if (column == COLUMNS - 1 && broken) held = BROKEN;
        drawn[slot * COLUMNS + column] = held;
    }
"""

GATES = """
    // BLOCKS blocks have a row, each thread of them EACH gates.
    const unsigned row = block / BLOCKS, part = block % BLOCKS;
    FACTOR(row);
    #pragma unroll
    for (int j = 0; j < EACH; ++j) {
        const unsigned i = (part * EACH + j) * THREADS + thread, at = row * 2 * INNER + i;
        if (i >= INNER) return;
        const float gate = factor * float(gate_up[at]);
        passed[row * INNER + i] = T(gate / (1.0f + EXP(-gate)) * factor * float(gate_up[at + INNER]));
    }
"""
