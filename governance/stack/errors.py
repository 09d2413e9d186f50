"""What can go wrong around the stack, said in one sentence with what to do about it."""


class StackError(Exception):
    """A failure that the person at the terminal can mend. Printed without a traceback, exit 1."""

    def __init__(self, wrong: str, remedy: str) -> None:
        super().__init__(f"{wrong} {remedy}")
        self.wrong = wrong
        self.remedy = remedy
