"""REINFORCE on a game of catching, as in the well-known 130 lines"""

import numpy as np
import pickle

H = 8
batch_size = 2
learning_rate = 1e-2
gamma = 0.99
decay_rate = 0.9
D = 6
np.random.seed(3)

model = {}
model["W1"] = np.random.randn(H, D) / np.sqrt(D)
model["W2"] = np.random.randn(H) / np.sqrt(H)

grad_buffer = {k: np.zeros_like(v) for k, v in model.items()}
rmsprop_cache = {k: np.zeros_like(v) for k, v in model.items()}


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def discount_rewards(r):
    discounted_r = np.zeros_like(r)
    running_add = 0
    for t in reversed(range(0, r.size)):
        running_add = running_add * gamma + r[t]
        discounted_r[t] = running_add
    return discounted_r


def policy_forward(x):
    h = np.dot(model["W1"], x)
    h[h < 0] = 0
    logp = np.dot(model["W2"], h)
    p = sigmoid(logp)
    return p, h


def policy_backward(eph, epx, epdlogp):
    dW2 = np.dot(eph.T, epdlogp).ravel()
    dh = np.outer(epdlogp, model["W2"])
    dh[eph <= 0] = 0
    dW1 = np.dot(dh.T, epx)
    return {"W1": dW1, "W2": dW2}


for episode_number in range(1, 40):
    xs, hs, dlogps, drs, logs = [], [], [], [], []
    for t in range(10):
        x = np.random.randn(D)
        aprob, h = policy_forward(x)
        action = 2 if np.random.uniform() < aprob else 3
        xs.append(x)
        hs.append(h)
        y = 1 if action == 2 else 0
        dlogps.append(y - aprob)
        logs.append(np.log(aprob if y else 1 - aprob))
        drs.append(1.0 if (action == 2) == (x[0] > 0) else -1.0)
    epx = np.vstack(xs)
    eph = np.vstack(hs)
    epdlogp = np.vstack(dlogps)
    epr = np.vstack(drs)
    discounted_epr = discount_rewards(epr)
    discounted_epr -= np.mean(discounted_epr)
    discounted_epr /= np.std(discounted_epr)
    objective = float(np.sum(np.array(logs) * discounted_epr.ravel()))
    epdlogp *= discounted_epr
    grad = policy_backward(eph, epx, epdlogp)
    for k in model:
        grad_buffer[k] += grad[k]
    if episode_number % batch_size == 0:
        for k, v in model.items():
            g = grad_buffer[k]
            rmsprop_cache[k] = decay_rate * rmsprop_cache[k] + (1 - decay_rate) * g**2
            model[k] += learning_rate * g / (np.sqrt(rmsprop_cache[k]) + 1e-5)
            grad_buffer[k] = np.zeros_like(v)
    if episode_number % 10 == 0:
        pickle.dump(model, open("save.p", "wb"))
