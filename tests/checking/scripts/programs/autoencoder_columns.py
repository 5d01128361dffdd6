import numpy as np

np.random.seed(5)
data = np.random.rand(6, 30)  # a sample is a column
m = data.shape[1]
W_e = np.random.randn(3, 6) * 0.4
b_e = np.zeros((3, 1))
W_d = np.random.randn(6, 3) * 0.4
b_d = np.zeros((6, 1))
rate = 0.5
f = lambda z: 1 / (1 + np.exp(-z))
for epoch in range(300):
    code = f(W_e @ data + b_e)
    rec = f(W_d @ code + b_d)
    cost = 0.5 / m * np.square(rec - data).sum()
    delta_d = (rec - data) * rec * (1 - rec) / m
    delta_e = (W_d.T @ delta_d) * code * (1 - code)
    W_d = W_d - rate * delta_d @ code.T
    b_d = b_d - rate * delta_d.sum(axis=1, keepdims=True)
    W_e = W_e - rate * delta_e @ data.T
    b_e = b_e - rate * delta_e.sum(axis=1, keepdims=True)
    print(epoch, cost)
