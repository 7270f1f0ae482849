"""The networks, in PyTorch (extra `train` or `gpu`).

Bands are a set: every band passes through the same weights and bands meet only in means over the band axis. All
tensors that hold bands are (N C, ...), the C bands of a sample adjacent; what all bands share is (N, ...).
"""
