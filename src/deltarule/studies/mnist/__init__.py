"""The mnist study: a small framework's networks on handwritten digits."""
