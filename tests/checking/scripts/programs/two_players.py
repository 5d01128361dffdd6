# a tiny adversarial game: the generator shifts noise, the critic is logistic
import numpy as np
rng = np.random.default_rng(21)
shift, scale = np.zeros(2), np.ones(2)
u, c = rng.normal(size=2) * .1, 0.0
sig = lambda t: 1 / (1 + np.exp(-t))
lr = .05
for it in range(400):
    real = rng.normal([2., -1.], .5, (32, 2))
    z = rng.normal(size=(32, 2))
    fake = shift + scale * z
    pr, pf = sig(real @ u + c), sig(fake @ u + c)
    d_loss = -np.log(pr).mean() - np.log(1 - pf).mean()
    gu = -((1 - pr)[:, None] * real).mean(0) + (pf[:, None] * fake).mean(0)
    gc = -(1 - pr).mean() + pf.mean()
    g_loss = -np.log(pf).mean()
    gfake = -((1 - pf)[:, None] * u) / len(z)
    gshift, gscale = gfake.sum(0), (gfake * z).sum(0)
    u -= lr * gu; c -= lr * gc
    shift -= lr * gshift; scale -= lr * gscale
    if it % 100 == 0: print(it, d_loss, g_loss)
