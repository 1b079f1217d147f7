"""Approximate posteriors over networks: one method a file, the same two verbs in each, fit and `sample_log_probs`."""
