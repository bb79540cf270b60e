"""The types of ``seconder.dev/v1alpha1``. They parse, validate and generate the CRDs; no I/O."""
