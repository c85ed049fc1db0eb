"""The agent's log, for models."""
import sys

from .channel import LOG, Frame


class Logger:
    """Usable as the class or as an instance."""

    INFO = "info"
    WARNING = "warn"
    ERROR = "error"
    VERBOSE = "debug"
    _channel = None

    @classmethod
    def log(cls, message, level=INFO):
        if cls._channel is None:
            print(message, file=sys.stderr)
        else:
            cls._channel.send(Frame(LOG, 0, {"level": level, "message": str(message)}))

    @classmethod
    def log_info(cls, message):
        cls.log(message, cls.INFO)

    @classmethod
    def log_warn(cls, message):
        cls.log(message, cls.WARNING)

    @classmethod
    def log_error(cls, message):
        cls.log(message, cls.ERROR)

    @classmethod
    def log_verbose(cls, message):
        cls.log(message, cls.VERBOSE)
