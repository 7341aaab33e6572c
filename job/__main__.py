"""`python3 -m job all` runs a whole job, `python3 -m job run <phase>` one phase of it."""

import argparse
import gc
import sys
from pathlib import Path

from .directory import JobDirectory
from .supervisor import run_job
from .wrapper import run_phase


def main() -> int:
    # The modules stay until the end. Without collections over them, their memory stays shared with
    # forks.
    gc.freeze()
    gc.enable()
    parser = argparse.ArgumentParser(prog="job", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    everything = commands.add_parser("all", help="run every phase, once")
    one = commands.add_parser("run", help="run one phase, once")
    one.add_argument("phase")
    one.add_argument("--workspace", type=Path)
    one.add_argument("--result", type=Path, help="file that tells how the phase ended")
    for command in (everything, one):
        command.add_argument("--directory", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.command == "all":
        return run_job(JobDirectory(arguments.directory))
    directory = JobDirectory(arguments.directory, arguments.workspace, arguments.result)
    return run_phase(directory, arguments.phase, has_reader=True)


if __name__ == "__main__":
    sys.exit(main())
