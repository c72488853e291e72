"""`python -m persona`: the same as `persona`; what `torchrun -m` needs."""

from persona.cli import main

main()
