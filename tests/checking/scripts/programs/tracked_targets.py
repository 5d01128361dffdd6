import numpy as np

rng = np.random.default_rng(12)
W = rng.normal(size=(4, 3)) * 0.1
gamma, lr = 0.9, 0.05
s = rng.normal(size=4)
for t in range(500):
    q = s @ W
    a = int(rng.integers(3)) if rng.random() < 0.2 else int(q.argmax())
    s2 = 0.6 * s + 0.3 * rng.normal(size=4)
    r = float(s[0] > 0) * (a == 1)
    target = r + gamma * (s2 @ W).max()
    td_error = q[a] - target
    W[:, a] -= lr * td_error * s
    s = s2
