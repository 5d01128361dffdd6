"""Define what is trained and the state that training advances."""
