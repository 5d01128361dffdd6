"""Define what is trained: network, objective, data and members; and the state that training advances."""
