"""Rows for a `QuestionFeed`: in parts, all there at once."""


def in_parts(*parts):
    """What a feed takes its rows from."""
    left = iter(parts)
    return lambda wait: next(left)
