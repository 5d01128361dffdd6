"""Page 1: a slope, and going down it.

Fill the hole, then check it: deltarule check 1-slope.py
"""

x, y, w = 0.8, 1.7, 0.5


def step(w, x, y):
    """Return the loss J, and its slope at w."""
    r = x * w - y
    J = r**2
    # Your lines: dw, the slope of J at w
    dw = 2 * r * x
    # End
    return J, {"w": dw}


def go_down(w, rate, steps):
    """Return w after some steps; try rates from 0.1 to 2."""
    for _ in range(steps):
        w = w - rate * step(w, x, y)[1]["w"]
    return w
