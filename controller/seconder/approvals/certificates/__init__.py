"""Approvers by SSH certificates: what a certificate says, and what its authority may say."""
