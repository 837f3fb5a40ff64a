"""What a batch script asks Slurm for, read as ``sbatch`` reads it. Pure: a script is never run."""

from usage.sbatch.asked import Asked, Script, read_script
from usage.sbatch.remarks import Found, InvalidScript, Remark

__all__ = ["Asked", "Found", "InvalidScript", "Remark", "Script", "read_script"]
