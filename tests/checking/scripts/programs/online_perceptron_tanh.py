import csv, io, numpy as np
rows = list(csv.reader(io.StringIO("\n".join("%.3f,%.3f,%d" % (np.cos(k), np.sin(2*k), k % 3 == 0) for k in range(45)))))
data = np.array(rows, dtype=float)
n_epochs, alpha, n = 40, .05, 3
wh, wo = np.random.uniform(-1, 1, (3, n)), np.random.uniform(-1, 1, n + 1)
for epoch in range(n_epochs):
    np.random.shuffle(data)
    E = 0
    for row in data:
        x = np.append(row[:2], 1)
        t = 2*row[2] - 1
        hid = np.append(np.tanh(x @ wh), 1)
        o = np.tanh(hid @ wo)
        E += (t - o)**2
        do = (t - o)*(1 - o**2)
        dh = do*wo[:-1]*(1 - hid[:-1]**2)
        wo += alpha*do*hid
        wh += alpha*np.outer(x, dh)
    print("epoch", epoch, "E", E)
