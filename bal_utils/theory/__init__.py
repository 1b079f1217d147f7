"""What can be computed: entropies, divergences, intervals, and the models with closed forms."""
