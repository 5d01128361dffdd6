import numpy as np
from scipy import sparse
from sklearn.utils.class_weight import compute_sample_weight

from deltarule.estimators.mlp.class_weights import balanced_weights


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    labels = np.random.default_rng(0).integers(0, 2, (80, 3))
    for y in (labels[:, 0], np.array(list("abbb"))[labels.sum(axis=1)], labels):
        np.testing.assert_array_equal(balanced_weights(y), compute_sample_weight("balanced", y))
    np.testing.assert_array_equal(balanced_weights(sparse.csr_matrix(labels)), balanced_weights(labels))


def test_a_class_without_weight_takes_nothing_from_the_others() -> None:
    y = np.array(list("aaabc"))
    weights = balanced_weights(y, np.array([1.0, 1.0, 1.0, 1.0, 0.0]))
    np.testing.assert_array_equal(weights, [*compute_sample_weight("balanced", y[:4]), 0])
