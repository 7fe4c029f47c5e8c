"""`python -m crossfade` is the same as `crossfade`."""

from crossfade.cli import main

main()
