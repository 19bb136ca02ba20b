"""Networks as PyTorch modules, the training loop, checkpoints; needs PyTorch."""
