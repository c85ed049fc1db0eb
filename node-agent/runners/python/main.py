"""The process of an instance of a Python model: `python3 main.py AGENT_PID`, with its agent at file descriptor 3."""
import ctypes
import os
import signal
import sys

CONTROL_FD = 3
PR_SET_PDEATHSIG = 1


def die_with_parent(agent_pid):
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != agent_pid:
        sys.exit(1)  # it died before the system knew that we follow


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    # Ctrl-C and service managers signal whole groups: the agent ends first, in its own time, and we follow.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.set_inheritable(CONTROL_FD, False)  # else what a model starts would hold the channel open
    try:
        import numpy  # noqa: F401
    except ImportError as missing:
        sys.exit(f"numpy is missing ({missing}): install it with '{sys.executable} -m pip install numpy', or name another interpreter with --python")
    from nereid_runner.model_host import ModelHost

    ModelHost(CONTROL_FD).serve()
