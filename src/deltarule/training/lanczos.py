"""The largest eigenvalues of symmetric matrices, one a member, by Lanczos' method.

A members · P parameters · m steps

Source: Lanczos 1950, "An iteration method for the solution of the eigenvalue problem", with full reorthogonalization.
"""

from collections.abc import Callable

import numpy as np

from deltarule.problem.problem import Floats

MAX_STEPS = 200
TOLERANCE = 1e-7
"""Of an eigenvalue, relative to the largest in size."""
CHECK_EVERY = 8
"""Steps between two looks at the error, of which each decomposes T."""


def largest_eigenvalues(product: Callable[[Floats], Floats], members: int, size: int, k: int) -> Floats:
    """Return the k largest eigenvalues [A, k]; NaN where a product is not finite.

    `product` maps vectors [A, P] to their products with the matrices. The eigenvectors of T = Qᵀ H Q give a bound on
    the error of each eigenvalue, by which the steps end.
    """
    generator = np.random.default_rng(0)
    steps = min(size, MAX_STEPS)
    basis = np.empty((steps, members, size))
    T = np.zeros((members, steps, steps))
    basis[0] = _orthogonal(np.tile(generator.normal(size=size), (members, 1)), basis[:0])
    is_sound = np.ones(members, bool)
    has_closed = False
    for step in range(steps):
        q, known = basis[step], basis[: step + 1]
        w = product(q)
        is_sound &= np.isfinite(w).all(1)
        w[~is_sound] = 0
        T[:, step, step] = (w * q).sum(1)
        w = _project_out(w, known)
        residual = np.sqrt((w * w).sum(1))
        is_last = step + 1 == steps
        if is_last or (step + 1) % CHECK_EVERY == 0:
            values, vectors = np.linalg.eigh(T[:, : step + 1, : step + 1])
            error = residual[:, None] * np.abs(vectors[:, -1, -k:])
            is_exact = (error <= TOLERANCE * np.abs(values).max(1, keepdims=True)).all()
            # An eigenvalue that occurs twice has its second vector outside a subspace that has ended.
            if is_last or (step + 1 >= k and is_exact and not has_closed):
                return np.where(is_sound[:, None], values[:, : -k - 1 : -1], np.nan)
        # Where an invariant subspace ends, go on in a new direction, which T does not couple to it.
        is_closed = residual <= TOLERANCE**2 * np.abs(T).max((1, 2))
        has_closed |= bool(is_closed.any())
        fresh = generator.normal(size=size)
        T[:, step, step + 1] = T[:, step + 1, step] = np.where(is_closed, 0, residual)
        basis[step + 1] = _orthogonal(np.where(is_closed[:, None], fresh, w), known)
    raise AssertionError("the last step returns")


def _orthogonal(vectors: Floats, known: Floats) -> Floats:
    """Vectors [A, P] of length 1, orthogonal to the known ones [m, A, P]."""
    vectors = _project_out(vectors, known)
    return np.asarray(vectors / np.sqrt((vectors * vectors).sum(1, keepdims=True)))


def _project_out(vectors: Floats, known: Floats) -> Floats:
    for _ in range(2):  # once leaves rounding errors behind
        vectors = vectors - np.einsum("sa,sap->ap", np.einsum("ap,sap->sa", vectors, known), known)
    return vectors
