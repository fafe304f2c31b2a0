"""The one error that the lab raises."""


class LabError(Exception):
    """The lab cannot do what was asked; the message says what is missing and what to do next."""
