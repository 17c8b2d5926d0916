"""Studies: the figures of published papers, each as sweeps and plots."""
