"""Classical pansharpening methods, by name.

Every one is a `fose.sharpener.Sharpener`: `get("gsa")` gives it, `names()` lists them, `describe` says what they are.
"""

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from fose.classical.bdsd import Bdsd, BdsdPc
from fose.classical.brovey import Brovey, BtH
from fose.classical.component_substitution import Exp, Gs, Gsa, Ihs, Pca
from fose.classical.glp import MtfGlp, MtfGlpCbd, MtfGlpFs, MtfGlpHpm, MtfGlpHpmH
from fose.classical.method import Method
from fose.classical.multiresolution import Atwt, Awlp, Hpf, Sfim
from fose.classical.pracs import Pracs
from fose.errors import InputError
from fose.sharpener import Sharpener

_ALL = (Exp, Brovey, Ihs, Pca, Gs, Gsa, BtH, Bdsd, BdsdPc, Pracs, Hpf, Sfim, Atwt, Awlp)
_PYRAMIDS = (MtfGlp, MtfGlpFs, MtfGlpHpm, MtfGlpHpmH, MtfGlpCbd)

METHODS: Mapping[str, type[Method]] = MappingProxyType({method.name: method for method in (*_ALL, *_PYRAMIDS)})


def names() -> tuple[str, ...]:
    """Names of all classical methods, component substitution first."""
    return tuple(METHODS)


def describe(name: str) -> str:
    """One line on a method: what it does and the paper it is from. Raises InputError for an unknown name."""
    method = _find(name)
    return f"{method.summary} ({method.paper})"


def options(name: str) -> tuple[str, ...]:
    """Names of the options that `get` takes for a method. Raises InputError for an unknown name."""
    return tuple(field.name for field in fields(_find(name)))


def get(name: str, **values: Any) -> Sharpener:
    """The method of that name, with its options. Raises InputError for an unknown name or option."""
    method, taken = _find(name), options(name)
    unknown = sorted(set(values) - set(taken))
    if unknown:
        raise InputError(f"method {name}: expected options {', '.join(taken) or 'none'}; found {', '.join(unknown)}")
    sharpener: Sharpener = method(**values)  # type: ignore[assignment]  # every entry of METHODS adds fit and apply
    return sharpener


def _find(name: str) -> type[Method]:
    if name not in METHODS:
        raise InputError(f"expected one of the methods {', '.join(METHODS)}; found {name!r}")
    return METHODS[name]
