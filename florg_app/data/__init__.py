"""Who has which rows, and the features made of them."""
