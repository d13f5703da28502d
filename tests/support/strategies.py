"""Hypothesis strategies for every message, derived from its types, with their bounds and patterns."""

import re
from typing import Any

import msgspec.inspect as mi
from hypothesis import strategies as st


def messages(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Return JSON values that decode to `kind`."""
    return _values(mi.type_info(kind))


def _values(kind: mi.Type) -> st.SearchStrategy[Any]:  # noqa: C901, PLR0911  (one case per type)
    match kind:
        case mi.StructType():
            return _structs(kind)
        case mi.Metadata():
            return _values(kind.type)
        case mi.UnionType():
            return st.one_of([_values(type_) for type_ in kind.types])
        case mi.StrType():
            return _texts(kind)
        case mi.IntType():
            return st.integers(kind.ge if kind.ge is not None else -(2**53), kind.le if kind.le is not None else 2**53)
        case mi.FloatType():
            return _floats(kind)
        case mi.BoolType():
            return st.booleans()
        case mi.NoneType():
            return st.none()
        case mi.EnumType():
            return st.sampled_from([member.value for member in kind.cls])
        case mi.LiteralType():
            return st.sampled_from(kind.values)
        case mi.VarTupleType() | mi.ListType():
            return st.lists(
                _values(kind.item_type), min_size=kind.min_length or 0, max_size=min(kind.max_length or 3, 3)
            )
        case mi.DictType():
            return st.dictionaries(
                _values(kind.key_type), _values(kind.value_type), min_size=kind.min_length or 0, max_size=3
            )
    raise TypeError(f"a message has a field of a type without a strategy here: {kind}")


def _structs(kind: mi.StructType) -> st.SearchStrategy[Any]:
    required = {field.encode_name: _values(field.type) for field in kind.fields if field.required}
    optional = {field.encode_name: _values(_given(field.type)) for field in kind.fields if not field.required}
    return st.fixed_dictionaries(required, optional=optional)


def _given(kind: mi.Type) -> mi.Type:
    """Return a type without `UnsetType`, the value of a missing field."""
    if not isinstance(kind, mi.UnionType):
        return kind
    types = tuple(type_ for type_ in kind.types if type(type_).__name__ != "CustomType")
    return types[0] if len(types) == 1 else mi.UnionType(types)


def _floats(kind: mi.FloatType) -> st.SearchStrategy[float]:
    low = next((bound for bound in (kind.ge, kind.gt) if bound is not None), -1e9)
    high = next((bound for bound in (kind.le, kind.lt) if bound is not None), 1e9)
    return st.floats(low, high, exclude_min=kind.gt is not None, exclude_max=kind.lt is not None, allow_subnormal=False)


def _texts(kind: mi.StrType) -> st.SearchStrategy[str]:
    least, most = kind.min_length or 0, kind.max_length if kind.max_length is not None else 200
    if kind.pattern is None:
        return st.text(min_size=least, max_size=min(most, 200))
    alphabet = st.characters(codec="utf-8")
    return st.from_regex(re.compile(kind.pattern), alphabet=alphabet).filter(lambda text: least <= len(text) <= most)
