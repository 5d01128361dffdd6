import numpy as np, random

random.seed(1)
np.random.seed(1)
corpus = "we like tea . we like milk . they drink tea and milk . cats drink milk".split()
vocab = sorted(set(corpus))
w2i = {w: i for i, w in enumerate(vocab)}
V, dim, window, k, lr = len(vocab), 5, 2, 3, 0.05
W_in = np.random.uniform(-0.5, 0.5, (V, dim))
W_out = np.random.uniform(-0.5, 0.5, (V, dim))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


for epoch in range(30):
    total = 0.0
    for pos, word in enumerate(corpus):
        c = w2i[word]
        for off in range(-window, window + 1):
            if off == 0 or not 0 <= pos + off < len(corpus):
                continue
            o = w2i[corpus[pos + off]]
            negs = [random.randrange(V) for _ in range(k)]
            h = W_in[c]
            u = W_out[o]
            z = sigmoid(h @ u)
            g_h = (z - 1) * u
            g_o = (z - 1) * h
            loss = -np.log(z)
            n_vecs = W_out[negs]
            zn = sigmoid(n_vecs @ h)
            loss -= np.log(1 - zn).sum()
            g_h = g_h + zn @ n_vecs
            g_n = np.outer(zn, h)
            W_in[c] = W_in[c] - lr * g_h
            W_out[o] -= lr * g_o
            np.add.at(W_out, negs, -lr * g_n)
            total += loss
    if epoch % 10 == 0:
        print(epoch, total)
