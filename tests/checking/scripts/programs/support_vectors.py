import numpy as np

np.random.seed(6)
X_train = np.random.randn(50, 5)
y_train = np.random.randint(0, 4, 50)


class LinearSVM:
    W = None

    def train(self, X, y, learning_rate=1e-2, reg=1e-2, num_iters=100, batch_size=20):
        num_train, dim = X.shape
        if self.W is None:
            self.W = 0.5 * np.random.randn(dim, np.max(y) + 1)
        loss_history = []
        for it in range(num_iters):
            pick = np.random.choice(num_train, batch_size)
            loss, grad = self.loss(X[pick], y[pick], reg)
            loss_history.append(loss)
            self.W += -learning_rate * grad
        return loss_history

    def loss(self, X, y, reg):
        num_train = X.shape[0]
        scores = X.dot(self.W)
        correct = scores[np.arange(num_train), y][:, None]
        margins = np.maximum(0, scores - correct + 1)
        margins[np.arange(num_train), y] = 0
        loss = margins.sum() / num_train + reg * np.sum(self.W * self.W)
        binary = (margins > 0).astype(float)
        binary[np.arange(num_train), y] = -binary.sum(axis=1)
        dW = X.T.dot(binary) / num_train + 2 * reg * self.W
        return loss, dW


print(LinearSVM().train(X_train, y_train)[-1])
