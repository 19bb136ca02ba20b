"""The one family of errors that a user of Binarray meets.

Every message states the offending value, what is allowed, and the remedy. The
commands turn an error into one line on standard error and the exit status of
its class; a traceback therefore always means a bug of ours.
"""

__all__ = [
    "ClockError",
    "IdentityError",
    "LinkError",
    "MissingToolError",
    "ModelError",
    "PlanError",
    "PortLostError",
    "ToolError",
    "UserError",
]


class UserError(Exception):
    """Something the user gave us cannot be used.

    Parameters
    ----------
    message : str
        What is wrong: quotes the offending value and says what is allowed.
    remedy : str
        What to do about it, as an instruction.
    """

    exit_status = 1

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}. {self.remedy}."


class ModelError(UserError):
    """A model, a graph, a foreign network or a set of frames that is not legal."""


class PlanError(UserError):
    """A network, board, size or clock that cannot go together."""


class ClockError(PlanError):
    """A routed design that is slower than its clock.

    Parameters
    ----------
    message, remedy : str
    fmax_mhz : float
        What it reaches.
    """

    def __init__(self, message: str, remedy: str, *, fmax_mhz: float) -> None:
        super().__init__(message, remedy)
        self.fmax_mhz = fmax_mhz


class LinkError(UserError):
    """A port, a protocol or an accelerator that does not answer as it should."""


class IdentityError(LinkError):
    """An accelerator of another model, or of another version of the protocol."""


class PortLostError(LinkError):
    """A port that was open and has gone; it may come back."""


class ToolError(UserError):
    """An external tool that failed."""

    exit_status = 3


class MissingToolError(ToolError):
    """A tool or a package that is not installed: the user's to mend, and none has failed."""

    exit_status = 1
