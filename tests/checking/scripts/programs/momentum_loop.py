import numpy as np

rng = np.random.default_rng(4)
x = rng.uniform(-2, 2, (50, 1))
t = np.sin(2 * x)
w1, c1 = rng.normal(0, 1, (1, 10)), np.zeros(10)
w2, c2 = rng.normal(0, 0.3, (10, 1)), np.zeros(1)
vw1 = vw2 = vc1 = vc2 = 0
mu, eta = 0.9, 0.01
for it in range(1000):
    hid = np.tanh(x @ w1 + c1)
    out = hid @ w2 + c2
    mse = np.mean((out - t) ** 2)
    d_out = 2 * (out - t) / len(x)
    gw2 = hid.T @ d_out
    gc2 = d_out.sum(0)
    d_hid = d_out @ w2.T * (1 - hid**2)
    gw1 = x.T @ d_hid
    gc1 = d_hid.sum(0)
    vw1 = mu * vw1 - eta * gw1
    vc1 = mu * vc1 - eta * gc1
    vw2 = mu * vw2 - eta * gw2
    vc2 = mu * vc2 - eta * gc2
    w1 = w1 + vw1
    c1 = c1 + vc1
    w2 = w2 + vw2
    c2 = c2 + vc2
    if it % 200 == 0:
        print(it, mse)
