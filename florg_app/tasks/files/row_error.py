"""What is wrong with data, in two wordings: one that may quote rows, and one that may leave the machine they are on."""


class DataError(ValueError):
    """`str` may quote the data; `public` does not, and is the same where the words quote nothing."""

    def __init__(self, text: str, public: str | None = None) -> None:
        super().__init__(text)
        self.public = text if public is None else public


def public(error: ValueError) -> str:
    """The words without any of the data; those of an error that makes no such promise are withheld."""
    return error.public if isinstance(error, DataError) else "cannot be used, for a reason that may quote it"
