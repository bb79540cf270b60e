"""What is made from the Helm chart: its README and schema of values, and plain manifests."""
