"""TensorFlow, eager and compiled by XLA, and LiteRT by models that TensorFlow converts."""
