"""``seconder operator``: keeps the webhook configuration, certificates and statuses as they should be."""
