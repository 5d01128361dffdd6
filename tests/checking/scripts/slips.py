"""Mistakes for the programs beside this file: (program, right text, wrong text, arrays that are wrong at least).

None in place of the arrays: nothing in the script says what is right, so that it is not proved.
"""

SLIPS = [
    ("character_rnn", "dhnext = np.dot(Whh.T, dhraw)", "pass", {"Wxh", "Whh", "bh"}),
    ("policy_gradient", "dh[eph <= 0] = 0", "pass", {"model['W1']"}),
    ("layers_from_scratch", "self.dinputs[self.inputs <= 0] = 0", "pass", {"dense1.weights", "dense1.biases"}),
    ("layers_from_scratch", "np.sum(dvalues, axis=0, keepdims=True)", "np.sum(dvalues)", None),
    ("skip_gram", "g_h = (z - 1) * u", "g_h = z * u", {"W_in"}),
    ("skip_gram", "np.add.at(W_out, negs, -lr * g_n)", "W_out[negs] += lr * g_n", {"W_out"}),
    ("network_with_fit", " * (1 - a**2))", ")", {"self.W[0]", "self.W[1]"}),
    (
        "network_with_fit",
        "grad = self._add_bias(activations[i])",
        "grad = self._add_bias(activations[0] if i == 0 else activations[i] ** 2)",
        {"self.W[1]", "self.W[2]"},
    ),
    ("spiral_classifier", "db = np.sum(dhidden, axis=0, keepdims=True)", "db = np.sum(dhidden)", {"b"}),
    ("eleven_lines", " * (l1 * (1 - l1))", "", {"syn0"}),
    (
        "eleven_lines",
        "l1_delta = l2_delta.dot(syn1.T) * (l1 * (1 - l1))\n    syn1 += l1.T.dot(l2_delta)",
        "syn1 += l1.T.dot(l2_delta)\n    l1_delta = l2_delta.dot(syn1.T) * (l1 * (1 - l1))",
        {"syn0"},
    ),
    ("digits_mini_batches", "sp = sigmoid_prime(z)", "sp = sigmoid(z)", {"self.weights[0]", "self.biases[0]"}),
    (
        "parameters_in_dictionary",
        '(1 - np.power(cache["A1"], 2))',
        'cache["A1"]',
        {"parameters['W1']", "parameters['b1']"},
    ),
    ("adam_class", "dpre = dact * (pre > 0)", "dpre = dact", {"params['W1']", "params['b1']"}),
    (
        "decayed_logistic",
        "bias = bias - alpha * (predictions - labels).mean()",
        "bias = bias - alpha * predictions.mean()",
        None,
    ),
    (
        "network_of_lists",
        'error += neuron["weights"][j] * neuron["delta"]',
        'error = neuron["weights"][j] * neuron["delta"]',
        {"network[0][0]['weights']"},
    ),
    ("scalar_engine", "self.grad += (1 - t**2) * out.grad", "self.grad += (1 - t) * out.grad", set()),
    ("scalar_engine", "self.grad += other.data * out.grad", "self.grad = other.data * out.grad", None),
    ("line_of_best_fit", "m_gradient += -(2 / N) * x * (y", "m_gradient += -(2 / N) * (y", {"m"}),
    (
        "binary_addition",
        "future_layer_1_delta.dot(synapse_h.T) + layer_2_delta.dot(synapse_1.T)",
        "layer_2_delta.dot(synapse_1.T)",
        {"synapse_0", "synapse_h"},
    ),
    ("matrix_factorization", "2 * eij * p_old", "2 * eij * P[i, :] * 2", {"Q"}),
    (
        "small_convolution",
        "d_L_d_filters[f] += d_L_d_out[i, j, f] * im_region",
        "d_L_d_filters[f] = d_L_d_out[i, j, f] * im_region",
        {"conv.filters"},
    ),
    (
        "support_vectors",
        "binary[np.arange(num_train), y] = -binary.sum(axis=1)",
        "binary[np.arange(num_train), y] = -1",
        None,
    ),
    ("single_precision", "(1 - Z * Z)", "(1 - Z)", {"W0"}),
    ("dropout_and_norm", "- zhat * (gz * zhat).mean(0)", "", {"W1"}),
    ("dropout_and_norm", "gn = (g @ W2.T) * mask * (n > 0)", "gn = (g @ W2.T) * (n > 0)", {"W1", "gamma", "beta"}),
    ("gradient_of_banana", "40.0 * x * (y - x * x)", "20.0 * x * (y - x * x)", None),
    ("tracked_targets", "W[:, a] -= lr * td_error * s", "W[:, a] += lr * td_error * s", {"W"}),
    ("spiral_classifier", "W2 += -step_size * dW2", "W2 += step_size * dW2", {"W2"}),
    ("autoencoder_columns", "W_d.T @ delta_d", "W_d.T @ delta_d ** 2", {"W_e", "b_e"}),
]
SLIPS += [
    (
        "neurons_as_objects",
        "self.bias -= speed*d\n        return passed",
        "self.bias -= speed*d\n        return [d*w for w in self.weights]",
        set(),
    ),
    ("momentum_with_penalty", "* (1 - self.h**2)", "", {"self.layers[0]['W']", "self.layers[0]['b']"}),
    ("gated_unit", "dh*(1-z) + dc2[:n]*r + dc[:n]", "dh*(1-z) + dc2[:n]*r", {"P['r']"}),
    (
        "two_players",
        "gu = -((1 - pr)[:, None] * real).mean(0) + ",
        "gu = -((1 - pr)[:, None] * real).mean(0) - ",
        {"u"},
    ),
    (
        "layers_in_a_list",
        "1.702*self.x*self.s*(1-self.s)",
        "self.x*self.s*(1-self.s)",
        {"net.mods[0].W", "net.mods[0].b"},
    ),
    ("accuracy_only", "*(1 - a*a)", "*(1 - a)", {"K"}),
    (
        "online_perceptron_tanh",
        "dh = do*wo[:-1]*(1 - hid[:-1]**2)\n        wo += alpha*do*hid",
        "wo += alpha*do*hid\n        dh = do*wo[:-1]*(1 - hid[:-1]**2)",
        {"wh"},
    ),
    ("gradient_clipped", "G = 2 * A.T @ R", "G = 2 * A.T @ abs(R)", {"M"}),
    ("momentum_loop", "w1 = w1 + vw1", "w1 = w1 - vw1", {"w1"}),
    (
        "matrix_factorization",
        "alpha * (2 * eij * p_old - beta * Q[:, j])",
        "alpha * (2 * eij * P[i, :] - beta * Q[:, j])",
        {"Q"},
    ),
]
