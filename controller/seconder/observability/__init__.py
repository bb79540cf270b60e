"""What operators see: metrics, the decision log, and the port that serves probes."""
