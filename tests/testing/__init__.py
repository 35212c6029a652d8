"""Tests of what users write their own tests with."""
