"""Figures and the tables beside them, from records: one module a question.

Each has ``markdown(records)`` and ``draw(records)``.  matplotlib is needed to draw only.
"""
