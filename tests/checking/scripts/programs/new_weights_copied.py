import numpy as np
np.random.seed(2)
age = np.random.uniform(20, 60, 40); income = .5*age + np.random.randn(40) + 3
age = (age - age.mean())/age.std(); income = (income - income.mean())/income.std()
theta0, theta1 = 0.0, 0.0
J_history = []
def h(x): return theta0 + theta1*x
m = len(age)
for iteration in range(150):
    temp0 = theta0 - 0.1 * (1/m) * sum(h(age) - income)
    temp1 = theta1 - 0.1 * (1/m) * sum((h(age) - income)*age)
    theta0 = temp0
    theta1 = temp1
    J_history.append(1/(2*m) * sum((h(age) - income)**2))
print(theta0, theta1)
