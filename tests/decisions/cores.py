"""The pure core as one namespace, the real one or one with a single wrong rule in it.

The modules of the decision build on one another. A mutant of one is run under its own name, and so is everything
that is built on it, so that the wrong rule acts as it would if somebody had written it.
"""

import sys
import types
from contextlib import contextmanager
from pathlib import Path

import scaler.core
from scaler.core import annotations, decision, desired, judgement, outcome, policies, policy, record, trail

__all__ = ["REAL", "mutant"]

CHAIN = (outcome, policy, annotations, policies, trail, judgement, desired, decision, record)
"""In the order of their imports."""


def _core(modules):
    names = {}
    for module in modules:
        names.update({name: found for name, found in vars(module).items() if not name.startswith("_")})
    for module in modules:
        names[module.__name__.rpartition(".")[2]] = module
    return types.SimpleNamespace(**names)


REAL = _core(CHAIN)


@contextmanager
def mutant(of, old, new):
    """The core with one substitution in the module `of`. The text must be there exactly once."""
    source = Path(of.__file__).read_text(encoding="utf-8")
    if source.count(old) != 1:
        raise LookupError(f"{of.__name__} holds {old!r} {source.count(old)} times: mend this mutant")
    begin = CHAIN.index(of)
    changed = list(CHAIN[:begin])
    try:
        changed.append(_run(of, source.replace(old, new)))
        for above in CHAIN[begin + 1 :]:
            changed.append(_run(above, Path(above.__file__).read_text(encoding="utf-8")))  # noqa: PERF401 - each needs those before it
        yield _core(changed)
    finally:
        for module in CHAIN[begin:]:
            _install(module)


def _run(original, source):
    """Run a source in the original's place; dataclasses and imports look modules up by name."""
    module = types.ModuleType(original.__name__)
    module.__file__ = original.__file__
    _install(module)
    exec(compile(source, original.__file__, "exec"), module.__dict__)  # noqa: S102 - our own source, changed by us
    return module


def _install(module):
    sys.modules[module.__name__] = module
    setattr(scaler.core, module.__name__.rpartition(".")[2], module)
