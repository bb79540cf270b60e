"""Writes what on-call people look at: alert rules, a Grafana dashboard, and a console for Prometheus itself."""
