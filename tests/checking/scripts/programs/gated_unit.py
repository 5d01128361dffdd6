import numpy as np
np.random.seed(9)
n, d, T = 5, 3, 7
P = {k: np.random.randn(n, n + d) * .4 for k in 'zrh'}
b = {k: np.zeros(n) for k in 'zrh'}
V = np.random.randn(n) * .4
S = lambda a: 1/(1+np.exp(-a))
def forward(xs):
    h, memory = np.zeros(n), []
    for x in xs:
        c = np.concatenate([h, x])
        z, r = S(P['z'] @ c + b['z']), S(P['r'] @ c + b['r'])
        c2 = np.concatenate([r*h, x])
        new = np.tanh(P['h'] @ c2 + b['h'])
        memory.append((h, x, c, z, r, c2, new))
        h = (1-z)*h + z*new
    return h, memory
def backward(dh, memory):
    gP = {k: np.zeros_like(P[k]) for k in P}; gb = {k: np.zeros(n) for k in b}
    for h, x, c, z, r, c2, new in reversed(memory):
        da = {'z': dh*(new-h)*z*(1-z), 'h': dh*z*(1-new**2)}
        dc2 = P['h'].T @ da['h']
        da['r'] = dc2[:n]*h*r*(1-r)
        dc = P['z'].T @ da['z'] + P['r'].T @ da['r']
        dh = dh*(1-z) + dc2[:n]*r + dc[:n]
        for k in 'zr': gP[k] += np.outer(da[k], c)
        gP['h'] += np.outer(da['h'], c2)
        for k in 'zrh': gb[k] += da[k]
    return gP, gb
for step in range(300):
    xs = np.random.randn(np.random.randint(3, T), d)
    target = xs[0, 0]
    h, memory = forward(xs)
    e = V @ h - target
    loss = .5*e*e
    gP, gb = backward(e*V, memory)
    V = V - .05*e*h
    for k in 'zrh':
        P[k] -= .05*gP[k]
        b[k] -= .05*gb[k]
    if step % 100 == 0: print(step, loss)
