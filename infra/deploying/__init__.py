"""The modules of `infra/deploy`."""
