from random import uniform, seed
from math import tanh
seed(7)

class Cell:
    def __init__(self, inputs): self.weights = [uniform(-.8, .8) for _ in range(inputs)]; self.bias = uniform(-.1, .1)
    def fire(self, signal):
        self.signal = signal
        self.activity = tanh(sum(w*s for w, s in zip(self.weights, signal)) + self.bias)
        return self.activity
    def learn(self, blame, speed):
        d = blame * (1 - self.activity**2)
        passed = [d*w for w in self.weights]
        for i, s in enumerate(self.signal):
            self.weights[i] -= speed*d*s
        self.bias -= speed*d
        return passed

first = [Cell(2) for _ in range(4)]; last = Cell(4)
examples = [([a, b], -1.0 if a == b else 1.0) for a in (-1.0, 1.0) for b in (-1.0, 1.0)]
epoch = 0
while epoch < 200:
    sse = 0.0
    for question, answer in examples:
        guess = last.fire([c.fire(question) for c in first])
        sse += (guess - answer)**2
        blames = last.learn(guess - answer, .1)
        for c, blame in zip(first, blames): c.learn(blame, .1)
    epoch += 1
    if epoch % 50 == 0: print(epoch, sse)
