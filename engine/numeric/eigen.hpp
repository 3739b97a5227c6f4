#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "cdc/export.hpp"

namespace cdc {

/// Eigenvalues and eigenvectors of a symmetric matrix, the greatest eigenvalue first.
struct Eigenpairs {
  std::vector<double> values;   ///< [wanted]
  std::vector<double> vectors;  ///< [n, wanted], row-major: each column has length 1
  int restarts = 0;             ///< of Lanczos' method
  bool converged = true;        ///< false: max_restarts ended it
};

/// All of a [n, n] (row-major, full): Householder's reduction to three diagonals, then QL steps with implicit shifts (Golub and Van Loan, "Matrix
/// Computations", 8.3). One thread.
CDC_API Eigenpairs symmetric_eigenpairs(std::vector<double> a, std::int64_t n);

/// Columns of the blocks that largest_eigenpairs() multiplies. An eigenvalue of up to this multiplicity is found that often.
constexpr std::int64_t kEigenBlock = 4;

/// y = A x for x, y [n, kEigenBlock], row-major.
using SymmetricProduct = std::function<void(const double* x, double* y)>;

/// The `wanted` (1 .. n) largest of a symmetric matrix known by its products: block Lanczos with full orthogonalisation and thick restarts (Wu and
/// Simon, "Thick-restart Lanczos method for large symmetric eigenvalue problems", 2000), from fixed random vectors. Ends when no |A v - value v|
/// exceeds `tolerance` times the largest |eigenvalue| met. Memory: n (wanted + max(40, min(wanted, 200))) float64. The same bits with any number of
/// threads if `product` has them.
CDC_API Eigenpairs largest_eigenpairs(std::int64_t n, std::int64_t wanted, const SymmetricProduct& product, double tolerance, int max_restarts);

}  // namespace cdc
