"""Walks plans: the only place that writes.

``executor`` walks; ``builds``, ``promotions`` and ``prunings`` do the steps, each with the
``run`` so far; ``preview`` shows the commands; ``ports`` says what all of them need.
"""
