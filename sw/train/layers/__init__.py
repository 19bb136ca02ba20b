"""Layers of binary networks in PyTorch; needs PyTorch.

Tensors between layers hold the *integers* of the integer graph, as float32 numbers, in
training too: +-1, codes of 8 bits, fixed-point residuals. What turns a sum into a real
number (weight and activation scales, the unit of a fixed-point number) belongs to the layer
that reads the sum. So integers stay exact in bfloat16, and in evaluation mode a layer
computes what its integer ops compute:

- products are sums of integers below 2**24 (in float64 where float32 might round);
- a threshold is evaluated in the float32 operations that `sw.lower.thresholds` bisects;
- a fixed-point batch norm is evaluated in float64, which holds every product exactly.

Each node of a network is a `sw.train.layers.node.Node`: `forward` computes, and `emit`
writes the same as integer ops through a `sw.train.builder.Builder`.
"""
