"""The one Flower Strategy and the steps of its round."""
