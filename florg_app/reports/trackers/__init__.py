"""Other programs that show a run while it goes on: each is fed by the round records, on the server alone."""
