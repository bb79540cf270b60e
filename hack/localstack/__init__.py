"""A real Kubernetes control plane with Seconder beside it, as plain processes on loopback: no containers, no root."""
