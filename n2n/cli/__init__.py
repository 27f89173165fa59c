"""The commands of `python -m n2n`, one file each: arguments in, exit code out."""
