import numpy as np
from dataclasses import dataclass, field

class Module:
    def params(self): return []

@dataclass
class Linear(Module):
    nin: int
    nout: int
    def __post_init__(self):
        self.W = np.random.normal(0, 1/np.sqrt(self.nin), (self.nin, self.nout)); self.b = np.zeros(self.nout)
    def __call__(self, x): self.x = x; return x @ self.W + self.b
    def back(self, g):
        self.gW = self.x.T @ g; self.gb = g.sum(axis=0)
        return g @ self.W.T
    def params(self): return [('W', 'gW'), ('b', 'gb')]

class GELUish(Module):
    def __call__(self, x): self.x = x; self.s = 1/(1+np.exp(-1.702*x)); return x*self.s
    def back(self, g): return g*(self.s + 1.702*self.x*self.s*(1-self.s))

class Sequential(Module):
    def __init__(self, *mods): self.mods = mods
    def __call__(self, x):
        for m in self.mods: x = m(x)
        return x
    def back(self, g):
        for m in reversed(self.mods): g = m.back(g)

class SGD:
    def __init__(self, net, lr): self.net, self.lr = net, lr
    def step(self):
        for m in self.net.mods:
            for name, grad in m.params():
                setattr(m, name, getattr(m, name) - self.lr*getattr(m, grad))

def softmax_xent(logits, labels):
    logits = logits - logits.max(axis=1, keepdims=True)
    logp = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    n = len(labels)
    g = np.exp(logp); g[np.arange(n), labels] -= 1
    return -logp[np.arange(n), labels].mean(), g/n

def train():
    np.random.seed(1)
    X = np.random.randn(90, 4); labels = np.argmax(X[:, :3] + .2*np.random.randn(90, 3), axis=1)
    net = Sequential(Linear(4, 7), GELUish(), Linear(7, 3)); opt = SGD(net, .3)
    for epoch in range(60):
        value, g = softmax_xent(net(X), labels)
        net.back(g)
        opt.step()
        if epoch % 20 == 0: print(f'{epoch=} {value=:.3f}')
train()
