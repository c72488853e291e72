"""`python -m persona.cli`: the same as `persona`."""

from persona.cli import main

main()
