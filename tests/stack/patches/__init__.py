"""Fixes for faults of the AWS emulator, applied from outside. Each says what is wrong without it; `check_patches.py`
tests each."""
