def f(p):
    x, y = p
    return (1.0 - x) ** 2 + 10.0 * (y - x * x) ** 2


def df(p):
    x, y = p
    return [-2.0 * (1.0 - x) - 40.0 * x * (y - x * x), 20.0 * (y - x * x)]


def gradient_step(v, gradient, step_size):
    return [v_i + step_size * g_i for v_i, g_i in zip(v, gradient)]


theta = [-1.0, 0.5]
for epoch in range(2000):
    grad = df(theta)
    theta = gradient_step(theta, grad, -0.002)
    if epoch % 500 == 0:
        print(epoch, theta, f(theta))
