import numpy as np

np.random.seed(0)
features = np.random.randn(80, 4)
labels = (features @ [1.5, -2, 0.5, 0] + 0.3 * np.random.randn(80) > 0) * 1.0
weights = np.zeros(4)
bias = 0.0
alpha = 0.1
lam = 0.01


def predict(features, weights, bias):
    return 1.0 / (1 + np.exp(-(features.dot(weights) + bias)))


def cost_function(features, labels, weights, bias):
    p = predict(features, weights, bias)
    return (-labels * np.log(p) - (1 - labels) * np.log(1 - p)).mean()


def update_weights(features, labels, weights, bias, alpha):
    N = len(features)
    predictions = predict(features, weights, bias)
    gradient = np.dot(features.T, predictions - labels) / N
    weights = weights - alpha * (gradient + lam * weights)
    bias = bias - alpha * (predictions - labels).mean()
    return weights, bias


cost_history = []
for i in range(200):
    weights, bias = update_weights(features, labels, weights, bias, alpha)
    cost = cost_function(features, labels, weights, bias)
    cost_history.append(cost)
    if i % 50 == 0:
        print("iter: " + str(i) + " cost: " + str(cost))
