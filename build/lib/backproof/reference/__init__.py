"""What is right: backpropagation by hand, in plain NumPy, proven in Arb balls."""
