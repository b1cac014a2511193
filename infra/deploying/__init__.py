"""The parts of `infra/deploy`."""
