"""The tests; and `checked`, which pyproject.toml puts around every function of our packages while they run.

It checks arguments and results against the annotations, shapes of tensors among them.

An int where a float is declared is well, as for every type checker of Python (PEP 484).
"""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
