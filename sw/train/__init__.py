"""Training recipes: PyTorch in, `model.npz` out. PyTorch is an extra; see `make venv-train`.

Only the modules of `layers` and `engine` import PyTorch, and the command imports
them once it has checked that PyTorch is there.
"""
