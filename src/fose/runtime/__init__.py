"""Run the network inside the scene path: features, the sharpener, and the engines that evaluate it."""
