import numpy as np

R = np.array([[5, 3, 0, 1], [4, 0, 0, 1], [1, 1, 0, 5], [1, 0, 0, 4], [0, 1, 5, 4]], float)
N, M, K = len(R), len(R[0]), 2
np.random.seed(2)
P = np.random.rand(N, K)
Q = np.random.rand(M, K).T


def factorize(R, P, Q, K, steps=200, alpha=0.002, beta=0.02):
    for step in range(steps):
        for i in range(len(R)):
            for j in range(len(R[i])):
                if R[i][j] > 0:
                    eij = R[i][j] - np.dot(P[i, :], Q[:, j])
                    p_old = P[i, :].copy()
                    P[i, :] += alpha * (2 * eij * Q[:, j] - beta * P[i, :])
                    Q[:, j] += alpha * (2 * eij * p_old - beta * Q[:, j])
        e = 0
        for i in range(len(R)):
            for j in range(len(R[i])):
                if R[i][j] > 0:
                    e += (R[i][j] - P[i, :] @ Q[:, j]) ** 2 + beta / 2 * (P[i] @ P[i] + Q[:, j] @ Q[:, j])
        if e < 0.001:
            break
    return P, Q.T


nP, nQ = factorize(R, P, Q, K)
print(nP @ nQ.T)
