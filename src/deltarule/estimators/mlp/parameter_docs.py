"""The shared documentation of MLPClassifier and MLPRegressor."""

import inspect
from typing import TypeVar

Class = TypeVar("Class", bound=type)

PARAMETERS = """
hidden_layer_sizes : int or sequence of int, default=(100,)
    Units of each hidden layer; () for none.
activation : str, dict or list, default="relu"
    "identity", "logistic", "tanh", "relu", or another of deltarule's activations. A dict sets parameters:
    {"name": "leaky_relu", "slope": 0.2}. A list has one for each hidden layer.
solver : str or dict, default="adam"
    "adam", "sgd", "lbfgs", or another of deltarule's optimizers, such as "rmsprop". Numbers in a dict take precedence
    over the parameters below.
alpha : float, default=0.0001
    Strength λ of the penalty ½ λ ‖W‖², divided by the number of rows in the batch.
batch_size : int or "auto", default="auto"
    Rows of a mini-batch; "auto" means 200, or all rows if there are fewer.
learning_rate : str or dict, default="constant"
    "constant"; "invscaling" or "adaptive", which have no effect with "adam"; or another of deltarule's schedules, such
    as {"name": "cosine", "steps": 100, "per": "epoch"}.
learning_rate_init : float, default=0.001
    The initial learning rate.
power_t : float, default=0.5
    The exponent of "invscaling".
max_iter : int, default=200
    Maximum number of epochs, or of iterations for "lbfgs".
shuffle : bool, default=True
    Whether to reorder the rows in every epoch.
random_state : int, RandomState or None, default=None
    Seed of the weights, the orders of rows and the validation split. The result does not depend on the number of
    threads.
tol : float, default=0.0001
    The smallest improvement of the loss or the validation score that counts; the gradient tolerance of "lbfgs".
verbose : bool, default=False
    Whether to print every epoch, with an upper limit for the seconds left.
warm_start : bool, default=False
    Whether `fit` continues with the weights of the previous fit.
momentum : float, default=0.9
    Momentum of "sgd", from 0 to 1.
nesterovs_momentum : bool, default=True
    Whether to use Nesterov's momentum.
early_stopping : bool, default=False
    Whether to stop when the validation score no longer improves, and to restore the best weights.
validation_fraction : float, default=0.1
    Share of the rows that early stopping sets aside for validation.
beta_1 : float, default=0.9
    Decay rate of Adam's first moment.
beta_2 : float, default=0.999
    Decay rate of Adam's second moment.
epsilon : float, default=1e-08
    The number that Adam adds to its denominator.
n_iter_no_change : int, default=10
    Consecutive epochs without improvement after which training stops.
max_fun : int, default=15000
    Maximum number of evaluations of the loss for "lbfgs".
dropout : float or list of float, default=0.0
    Dropout rate of the hidden layers, or one rate for each.
batch_norm : bool, default=False
    Whether hidden layers normalize their pre-activations over the batch.
scaling_layer : bool, default=False
    Whether each feature is multiplied by a trained weight, initially 1, before the first layer.
n_members : int, default=1
    Number of networks in an ensemble, trained as one population; predictions are averaged.
callbacks : callable, list of callables or None, default=None
    Functions called after each epoch of `fit` as `callback(epoch, model)`; if one returns True, the fit ends.
engine : {"auto", "reference", "compiled"}, default="auto"
    "reference" uses NumPy, "compiled" Numba; "auto" selects the faster one.
output_bias : {"random", "prior"}, default="random"
    Initial biases of the outputs: random, as in scikit-learn; or such that the network predicts the mean of the
    targets, which saves many updates if a class is rare.
""".strip()

ATTRIBUTES = """
loss_ : float
    The last loss.
best_loss_ : float or None
    The lowest loss; None with `early_stopping`.
loss_curve_ : list of float
    The loss of every epoch, on the batches as they were trained on.
validation_scores_ : list of float or None
    The validation score of every epoch, if there are validation rows.
validation_loss_curve_ : list of float or None
    The validation loss of every epoch, if there are validation rows.
best_validation_score_ : float or None
    The best validation score, if there are validation rows.
coefs_ : list of ndarray
    The weights of each layer, [D, H], or [K, D, H] with several members. With `scaling_layer` the first follow the
    scaled features.
intercepts_ : list of ndarray
    The biases of each layer, [H], or [K, H] with several members.
n_features_in_ : int
    Number of features.
feature_names_in_ : ndarray of str
    Names of the features, if `X` has any.
n_iter_ : int
    Number of epochs.
t_ : int
    Number of rows seen.
n_layers_ : int
    Number of layers, counting the inputs.
n_outputs_ : int
    Number of outputs.
out_activation_ : str
    scikit-learn's name of the output activation.
""".strip()


def document_shared_parameters(cls: Class) -> Class:
    """Insert the shared documentation into a class's docstring."""
    if cls.__doc__ is not None:  # python -OO drops docstrings
        text = inspect.cleandoc(cls.__doc__).replace("SHARED_PARAMETERS", PARAMETERS)
        cls.__doc__ = text.replace("SHARED_ATTRIBUTES", ATTRIBUTES)
    return cls
