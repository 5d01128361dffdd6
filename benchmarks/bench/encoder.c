/* The 8-3-8 encoder in C, members side by side in the lanes of SIMD registers: how fast this processor can be.

   Eight samples through three sigmoids to eight sigmoids, all of them in every update; squared error, weight decay
   (half of the strength times the squared weights, over the samples), plain gradient descent. In float64, or with
   -DFLOAT32 in float32; the data as they are given, the objective of every update kept, as our engines do. GCC and Clang
   make of `lanes` whatever the processor has.

   theta  [P][members]        W1 [8][3], b1 [3], W2 [3][8], b2 [8], P = 59; members a multiple of LANES
   objective [n][members]     before each update
*/

#include <stdint.h>

#ifdef FLOAT32
typedef float number;
typedef int32_t word;
#define LANES 16
#define MANTISSA 23
#define LN2_HIGH 0.693359375f /* its last bits are 0, so that k * LN2_HIGH is exact */
#define LN2_LOW -2.12194440e-4f
#define LARGEST 87
#else
typedef double number;
typedef int64_t word;
#define LANES 8
#define MANTISSA 52
#define LN2_HIGH 0.6931471803691238
#define LN2_LOW 1.9082149292705877e-10
#define LARGEST 700
#endif
#define REGISTERS 4 /* worked on at a time, so that one need not wait for the other */
enum { D = 8, H = 3, C = 8, N = 8, W1 = 0, B1 = D * H, W2 = B1 + H, B2 = W2 + H * C, P = B2 + C };

typedef number lanes __attribute__((vector_size(64), aligned(sizeof(number))));
typedef word bits __attribute__((vector_size(64), aligned(sizeof(number))));

static inline __attribute__((always_inline)) lanes larger(lanes a, lanes b) {
    bits chosen = a > b;
    return (lanes)(((bits)a & chosen) | ((bits)b & ~chosen));
}

/* e^x = 2^k e^r: k the whole number next to x / ln 2, e^r by its Taylor series, which is exact for |r| up to ln 2 / 2. */
static inline __attribute__((always_inline)) lanes exponential(lanes x) {
    const number whole = (number)1.5 * ((word)1 << MANTISSA); /* adding it leaves the whole part in the lowest bits */
    lanes zero = {0};
    x = -larger(-larger(x, zero - LARGEST), zero - LARGEST);
    lanes shifted = x * (number)1.4426950408889634 + whole, k = shifted - whole;
    lanes r = (x - k * LN2_HIGH) - k * LN2_LOW;
#ifdef FLOAT32
    lanes p = zero + 1.0f / 720;
#else
    lanes p = zero + 1.0 / 479001600;
    p = p * r + 1.0 / 39916800;
    p = p * r + 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
#endif
    p = p * r + (number)(1.0 / 120);
    p = p * r + (number)(1.0 / 24);
    p = p * r + (number)(1.0 / 6);
    p = p * r + (number)0.5;
    p = p * r + (number)1.0;
    p = p * r + (number)1.0;
    return (lanes)((bits)p + ((bits)shifted << MANTISSA));
}

static inline __attribute__((always_inline)) lanes sigmoid(lanes z) { return 1 / (1 + exponential(-z)); }

#define EACH for (int u = 0; u < REGISTERS; u++)

static void update(lanes t[P][REGISTERS], const number *x, const number *y, number rate, number decay, lanes *J) {
    lanes g[P][REGISTERS];
    for (int p = 0; p < P; p++) EACH g[p][u] = (p >= B1 && p < W2) || p >= B2 ? t[p][u] * 0 : decay * t[p][u];
    lanes squares[REGISTERS], errors[REGISTERS];
    EACH squares[u] = t[0][u] * t[0][u], errors[u] = t[0][u] * 0;
    for (int p = 1; p < B1; p++) EACH squares[u] += t[p][u] * t[p][u];
    for (int p = W2; p < B2; p++) EACH squares[u] += t[p][u] * t[p][u];
    for (int s = 0; s < N; s++) {
        lanes h[H][REGISTERS], dh[H][REGISTERS];
        for (int j = 0; j < H; j++) {
            EACH h[j][u] = t[B1 + j][u];
            for (int d = 0; d < D; d++) EACH h[j][u] += x[s * D + d] * t[W1 + d * H + j][u];
            EACH h[j][u] = sigmoid(h[j][u]), dh[j][u] = t[0][u] * 0;
        }
        for (int c = 0; c < C; c++) {
            lanes delta[REGISTERS];
            EACH {
                lanes z = t[B2 + c][u];
                for (int j = 0; j < H; j++) z += h[j][u] * t[W2 + j * C + c][u];
                lanes a = sigmoid(z), e = a - y[s * C + c];
                errors[u] += e * e;
                delta[u] = ((number)2 / N) * e * a * (1 - a);
                g[B2 + c][u] += delta[u];
            }
            for (int j = 0; j < H; j++) EACH {
                    g[W2 + j * C + c][u] += h[j][u] * delta[u];
                    dh[j][u] += t[W2 + j * C + c][u] * delta[u];
                }
        }
        for (int j = 0; j < H; j++) EACH {
                lanes delta = dh[j][u] * h[j][u] * (1 - h[j][u]);
                g[B1 + j][u] += delta;
                for (int d = 0; d < D; d++) g[W1 + d * H + j][u] += x[s * D + d] * delta;
            }
    }
    EACH J[u] = errors[u] / N + decay / 2 * squares[u];
    for (int p = 0; p < P; p++) EACH t[p][u] -= rate * g[p][u];
}

/* n updates of the members from `first` to `last`; decay is the strength over the samples. */
void advance(number *theta, int64_t members, int64_t first, int64_t last, const number *x, const number *y, number rate,
             number decay, int64_t n, number *objective) {
    for (int64_t block = first; block < last; block += LANES * REGISTERS) {
        lanes t[P][REGISTERS];
        for (int p = 0; p < P; p++) EACH t[p][u] = *(lanes *)(theta + p * members + block + u * LANES);
        for (int64_t i = 0; i < n; i++) {
            lanes J[REGISTERS];
            update(t, x, y, rate, decay, J);
            EACH *(lanes *)(objective + i * members + block + u * LANES) = J[u];
        }
        for (int p = 0; p < P; p++) EACH *(lanes *)(theta + p * members + block + u * LANES) = t[p][u];
    }
}
