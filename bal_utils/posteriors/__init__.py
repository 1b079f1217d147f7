"""Approximate posteriors over networks: one method a file; what each fits is a `base.Posterior`."""
