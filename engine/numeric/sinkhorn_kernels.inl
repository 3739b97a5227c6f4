// The inner loops of sinkhorn.cpp, compiled once for each vector width: included inside a namespace, with kWidth defined.

typedef float Floats __attribute__((vector_size(kWidth * 4)));
typedef std::int32_t Ints __attribute__((vector_size(kWidth * 4)));

static inline Floats load(const float* p) {
  Floats x;
  std::memcpy(&x, p, sizeof x);
  return x;
}
static inline void store(float* p, Floats x) { std::memcpy(p, &x, sizeof x); }
/// The last n < kWidth numbers of a row; the rest is `fill`.
static inline Floats load_part(const float* p, std::int64_t n, float fill) {
  float buffer[kWidth];
  store(buffer, Floats{} + fill);
  std::memcpy(buffer, p, static_cast<std::size_t>(n) * sizeof(float));
  return load(buffer);
}
static inline void store_part(float* p, std::int64_t n, Floats x) {
  float buffer[kWidth];
  store(buffer, x);
  std::memcpy(p, buffer, static_cast<std::size_t>(n) * sizeof(float));
}
static inline Floats splat(float x) { return Floats{} + x; }
static inline Floats larger(Floats a, Floats b) { return a > b ? a : b; }
static inline float add_up(Floats x) {
  float sum = 0;
  for (int i = 0; i < kWidth; ++i) sum += x[i];
  return sum;
}
static inline float largest(Floats x) {
  float m = x[0];
  for (int i = 1; i < kWidth; ++i) m = x[i] > m ? x[i] : m;
  return m;
}

/// exp for x <= 0 within 2 units in the last place; 0 below kLowest, where the result would leave float32's normal numbers.
static inline Floats exp_negative(Floats x) {
  const Floats n = (x * 1.44269504088896341f + 12582912.0f) - 12582912.0f;  // 1.5 * 2^23: rounds to the nearest integer
  const Floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;             // ln 2 in two parts
  Floats p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const Ints in_range = x >= kLowest;
  const Ints exponent = (__builtin_convertvector(in_range ? n : Floats{}, Ints) + 127) << 23;
  Floats scale;
  std::memcpy(&scale, &exponent, sizeof scale);
  return in_range ? p * scale : Floats{};
}

/// The largest score of each row; false where a score is not finite.
static bool row_maxima(const float* scores, std::int64_t rows, std::int64_t columns, float* maxima) {
  Floats bad{};  // 0 * x is 0 for finite x, otherwise NaN
  for (std::int64_t i = 0; i < rows; ++i) {
    const float* s = scores + i * columns;
    Floats m = splat(-std::numeric_limits<float>::infinity());
    std::int64_t j = 0;
    for (; j + kWidth <= columns; j += kWidth) {
      const Floats x = load(s + j);
      m = larger(m, x);
      bad += x * 0.0f;
    }
    if (j < columns) {
      const Floats x = load_part(s + j, columns - j, s[j]);
      m = larger(m, x);
      bad += x * 0.0f;
    }
    maxima[i] = largest(m);
  }
  return add_up(bad) == 0.0f;
}

/// matrix = exp((scores - row maximum) / epsilon), its rows `stride` apart, 0 between; sums[j] += u_i * matrix_ij with
/// u_i = exp((row maximum - reference) / epsilon).
static void exponentials(const float* scores, std::int64_t rows, std::int64_t columns, float scale, const float* maxima, float reference,
                         std::int64_t stride, float* matrix, float* sums) {
  for (std::int64_t i = 0; i < rows; ++i) {
    const float* s = scores + i * columns;
    float* e = matrix + i * stride;
    const Floats m = splat(maxima[i]);
    const Floats u = splat(exp_negative(splat((maxima[i] - reference) * scale))[0]);
    std::int64_t j = 0;
    for (; j + kWidth <= columns; j += kWidth) {
      const Floats x = exp_negative((load(s + j) - m) * scale);
      store(e + j, x);
      store(sums + j, load(sums + j) + u * x);
    }
    if (j < columns) {
      // What is beyond the row becomes exp(2 kLowest) = 0.
      const Floats x = exp_negative(larger((load_part(s + j, columns - j, -std::numeric_limits<float>::infinity()) - m) * scale, splat(2 * kLowest)));
      if (stride >= j + kWidth) {
        store(e + j, x);
        store(sums + j, load(sums + j) + u * x);
      } else {
        store_part(e + j, columns - j, x);
        store_part(sums + j, columns - j, load_part(sums + j, columns - j, 0) + u * x);
      }
    }
  }
}

/// Four rows at a time share the loads of `v` and of `sums`: u = 1 / (matrix v) for each row, then sums += u^T matrix, or, with `codes`,
/// codes = diag(u) matrix diag(v). The range of 1 / u is widened into `low` and `high`.
template <int kRows, bool kLast>
static inline void scale_block(const float* matrix, std::int64_t stride, std::int64_t columns, const float* v, float* sums_or_codes, float& low,
                               float& high) {
  Floats total[kRows] = {};
  std::int64_t j = 0;
  for (; j + kWidth <= columns; j += kWidth) {
    const Floats w = load(v + j);
    CDC_UNROLL
    for (int r = 0; r < kRows; ++r) {
      __builtin_prefetch(matrix + (kRows + r) * stride + j);  // the next rows: the processor's own prefetching stops at the end of a page
      total[r] += load(matrix + r * stride + j) * w;
    }
  }
  if (j < columns) {
    const Floats w = load_part(v + j, columns - j, 0);
    CDC_UNROLL for (int r = 0; r < kRows; ++r) total[r] += load_part(matrix + r * stride + j, columns - j, 0) * w;
  }
  Floats u[kRows];
  CDC_UNROLL for (int r = 0; r < kRows; ++r) {
    const float sum = add_up(total[r]);
    low = sum < low ? sum : low;
    high = sum > high ? sum : high;
    u[r] = splat(1.0f / sum);
  }
  j = 0;
  for (; j + kWidth <= columns; j += kWidth) {
    if (kLast) {
      const Floats w = load(v + j);
      CDC_UNROLL for (int r = 0; r < kRows; ++r) store(sums_or_codes + r * columns + j, load(matrix + r * stride + j) * w * u[r]);
    } else {
      Floats sum = load(sums_or_codes + j);
      CDC_UNROLL for (int r = 0; r < kRows; ++r) sum += load(matrix + r * stride + j) * u[r];
      store(sums_or_codes + j, sum);
    }
  }
  if (j < columns) {
    const std::int64_t n = columns - j;
    if (kLast) {
      const Floats w = load_part(v + j, n, 0);
      CDC_UNROLL for (int r = 0; r < kRows; ++r) store_part(sums_or_codes + r * columns + j, n, load_part(matrix + r * stride + j, n, 0) * w * u[r]);
    } else {
      Floats sum = load_part(sums_or_codes + j, n, 0);
      CDC_UNROLL for (int r = 0; r < kRows; ++r) sum += load_part(matrix + r * stride + j, n, 0) * u[r];
      store_part(sums_or_codes + j, n, sum);
    }
  }
}

/// Here what is between the rows counts as columns: its sums are 0.
static void scale_rows(const float* matrix, std::int64_t rows, std::int64_t stride, const float* v, float* sums, float* low_high) {
  std::int64_t i = 0;
  for (; i + 4 <= rows; i += 4) scale_block<4, false>(matrix + i * stride, stride, stride, v, sums, low_high[0], low_high[1]);
  for (; i < rows; ++i) scale_block<1, false>(matrix + i * stride, stride, stride, v, sums, low_high[0], low_high[1]);
}

static void write_codes(const float* matrix, std::int64_t rows, std::int64_t stride, std::int64_t columns, const float* v, float* codes,
                        float* low_high) {
  std::int64_t i = 0;
  for (; i + 4 <= rows; i += 4) scale_block<4, true>(matrix + i * stride, stride, columns, v, codes + i * columns, low_high[0], low_high[1]);
  for (; i < rows; ++i) scale_block<1, true>(matrix + i * stride, stride, columns, v, codes + i * columns, low_high[0], low_high[1]);
}

/// sums[j] = sum over c of weights[c] * parts[c * columns + j], in order, for j in [begin, end).
static void merge_parts(const float* parts, const double* weights, std::int64_t count, std::int64_t columns, std::int64_t begin, std::int64_t end,
                        double* sums) {
  constexpr std::int64_t kBlock = 64;  // columns whose sums stay in the first cache
  for (std::int64_t j = begin; j < end; j += kBlock) {
    const std::int64_t n = end - j < kBlock ? end - j : kBlock;
    double total[kBlock] = {};
    for (std::int64_t c = 0; c < count; ++c) {
      const float* part = parts + c * columns + j;
      const double weight = weights[c];
      if (n == kBlock)
        for (std::int64_t i = 0; i < kBlock; ++i) total[i] += weight * static_cast<double>(part[i]);
      else
        for (std::int64_t i = 0; i < n; ++i) total[i] += weight * static_cast<double>(part[i]);
    }
    for (std::int64_t i = 0; i < n; ++i) sums[j + i] = total[i];
  }
}

/// The logarithmic way. Exponents are added in float64 (a score of 60 / 0.05 leaves float32 four digits after the point), exp is taken in float32.
/// One row: g = -log sum_j exp(scale * s_j + f_j).
static double row_potential(const float* s, std::int64_t columns, double scale, const double* f) {
  double m = scale * s[0] + f[0];
  for (std::int64_t j = 1; j < columns; ++j) {
    const double x = scale * s[j] + f[j];
    m = x > m ? x : m;
  }
  double sum = 0;
  std::int64_t j = 0;
  for (; j < columns; j += kWidth) {
    float x[kWidth];
    for (int i = 0; i < kWidth; ++i)
      x[i] = j + i < columns ? static_cast<float>(scale * s[j + i] + f[j + i] - m) : -std::numeric_limits<float>::infinity();
    sum += add_up(exp_negative(larger(load(x), splat(2 * kLowest))));
  }
  return -(m + std::log(sum));
}

/// Of the columns over some rows: maxima[j] = max_i (scale * s_ij + g_i), sums[j] = sum_i exp(scale * s_ij + g_i - maxima[j]).
static void column_potentials(const float* scores, std::int64_t rows, std::int64_t columns, double scale, const double* g, double* maxima,
                              float* sums) {
  for (std::int64_t j = 0; j < columns; ++j) maxima[j] = scale * scores[j] + g[0];
  for (std::int64_t i = 1; i < rows; ++i) {
    const float* s = scores + i * columns;
    for (std::int64_t j = 0; j < columns; ++j) {
      const double x = scale * s[j] + g[i];
      maxima[j] = x > maxima[j] ? x : maxima[j];
    }
  }
  for (std::int64_t i = 0; i < rows; ++i) {
    const float* s = scores + i * columns;
    for (std::int64_t j = 0; j < columns; j += kWidth) {
      const std::int64_t n = columns - j < kWidth ? columns - j : kWidth;
      float x[kWidth];
      for (int k = 0; k < kWidth; ++k) x[k] = k < n ? static_cast<float>(scale * s[j + k] + g[i] - maxima[j + k]) : 0.0f;
      const Floats e = exp_negative(larger(load(x), splat(2 * kLowest)));
      if (n == kWidth)
        store(sums + j, load(sums + j) + e);
      else
        store_part(sums + j, n, load_part(sums + j, n, 0) + e);
    }
  }
}

/// One row of codes: exp(scale * s_j + f_j + g).
static void row_codes(const float* s, std::int64_t columns, double scale, const double* f, double g, float* codes) {
  for (std::int64_t j = 0; j < columns; j += kWidth) {
    const std::int64_t n = columns - j < kWidth ? columns - j : kWidth;
    float x[kWidth];
    for (int k = 0; k < kWidth; ++k) x[k] = k < n ? static_cast<float>(scale * s[j + k] + f[j + k] + g) : 0.0f;
    store_part(codes + j, n, exp_negative(larger(load(x), splat(2 * kLowest))));
  }
}

static constexpr Kernels kKernels{kWidth,      row_maxima,    exponentials,      scale_rows, write_codes,
                                  merge_parts, row_potential, column_potentials, row_codes};
