"""The one exception that stands for a mistake a person can mend."""


class UserError(Exception):
    """A mistake in the input, told in sentences that say what to change.

    A command that meets one prints each problem on a line of standard error and exits with code 2.

    Args:
        problems: one sentence each; all that could be found at once.
    """

    def __init__(self, *problems: str) -> None:
        if not problems:
            raise ValueError("A UserError needs at least one problem.")
        super().__init__("\n".join(problems))
        self.problems = problems
