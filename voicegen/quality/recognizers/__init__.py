"""Recognizers: what writes down the words of a take, and says how likely given words are in it."""
