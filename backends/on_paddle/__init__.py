"""Paddle, eager."""
