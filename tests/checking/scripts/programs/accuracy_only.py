import numpy as np
rng = np.random.RandomState(0)
X = rng.randn(60, 5); t = (X[:, 0] - X[:, 3] > 0).astype(int)
onehot = np.eye(2)[t]
K = rng.randn(5, 6)*.5; L = rng.randn(6, 2)*.5
best = 0
for n in range(80):
    a = np.tanh(X.dot(K))
    s = np.exp(a.dot(L)); s = s/s.sum(1)[:, None]
    acc = (s.argmax(1) == t).mean()
    best = max(best, acc)
    delta = s - onehot
    dL = a.T.dot(delta)
    dK = X.T.dot(delta.dot(L.T)*(1 - a*a))
    K -= .01*dK
    L -= .01*dL
    print(n, acc, best)
