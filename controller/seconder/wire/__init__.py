"""Documents on the wire, AdmissionReviews and custom resources, to core values and back. No I/O."""
