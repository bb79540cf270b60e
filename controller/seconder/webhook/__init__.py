"""``seconder webhook``: answers AdmissionReviews."""
