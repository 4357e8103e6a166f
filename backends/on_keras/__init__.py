"""Keras' layer, with each of Keras' own backends."""
