"""The differences between engine and kernel that are meant, each with its reason."""

KINDS = {}


def classify(unit, history):
    return None
