"""What is to be trained: the network, the objective, the data, the members; and the state that training advances."""
