"""What the demo cannot do, as one sentence."""

__all__ = ["DemoError"]

INSTALL = "pip install -e '.[demo]'"


class DemoError(Exception):
    """A sentence for whoever started the demo; the process ends with `status`.

    1: something did not happen as it should. 2: something that the demo needs is missing.
    """

    def __init__(self, sentence: str, status: int = 1) -> None:
        super().__init__(sentence)
        self.status = status
