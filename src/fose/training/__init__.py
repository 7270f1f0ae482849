"""Training: four stage objects, one loop that does not know which one runs, recipes, checkpoints and run logs."""
