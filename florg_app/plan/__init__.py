"""What a run would cost, worked out before it starts: tensors that have sizes and no numbers go its way."""
