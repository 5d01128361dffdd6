import numpy as np

class Regressor:
    def __init__(self, n_in, n_hid, seed=3):
        g = np.random.RandomState(seed)
        self.layers = [dict(W=g.randn(n_in, n_hid)*.5, b=np.zeros(n_hid)), dict(W=g.randn(n_hid, 1)*.5, b=np.zeros(1))]
        self.speed = [dict(W=np.zeros_like(l['W']), b=np.zeros_like(l['b'])) for l in self.layers]

    def predict(self, X):
        self.h = np.tanh(X @ self.layers[0]['W'] + self.layers[0]['b'])
        return self.h @ self.layers[1]['W'] + self.layers[1]['b']

    def gradients(self, X, y, penalty):
        err = (self.predict(X) - y) / len(X)
        back = err @ self.layers[1]['W'].T * (1 - self.h**2)
        return [dict(W=X.T @ back + penalty*self.layers[0]['W'], b=back.sum(0)),
                dict(W=self.h.T @ err + penalty*self.layers[1]['W'], b=err.sum(0))]

    def fit(self, X, y, epochs=30, size=10, rate=.05, mu=.8, penalty=1e-2):
        for epoch in range(epochs):
            for start in range(0, len(X), size):
                grads = self.gradients(X[start:start+size], y[start:start+size], penalty)
                for layer, speed, grad in zip(self.layers, self.speed, grads):
                    for key in layer:
                        speed[key] = mu*speed[key] - rate*grad[key]
                        layer[key] += speed[key]
            print('%d %.4f' % (epoch, .5*np.mean((self.predict(X) - y)**2)))

if __name__ == '__main__':
    X = np.random.randn(50, 3)
    Regressor(3, 6).fit(X, np.sin(X.sum(1, keepdims=True)))
