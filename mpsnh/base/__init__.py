"""What a user subclasses: models, records, algorithms and observables."""
