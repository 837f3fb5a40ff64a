"""`python -m tests.slurm [COMMAND…]`: run a command (a shell, unless one is given) beside a Slurm.

SLURM_CONF and SLURM_TOKEN are set, so sacct, sbatch and clients of slurmrestd work; the rest is
printed.
"""

import os
import subprocess
import sys

from tests.slurm.stack import OPERATOR, running


def main() -> int:
    with running() as stack:
        print(stack.facts(), file=sys.stderr)
        command = sys.argv[1:] or [os.environ.get("SHELL", "/bin/sh")]
        variables = os.environ | stack.environment()
        variables |= {"SLURM_TOKEN": stack.token(OPERATOR), "SLURM_REST": stack.rest_url}
        return subprocess.run(command, env=variables, check=False).returncode


sys.exit(main())
