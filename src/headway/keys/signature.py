"""From the arguments of a call to its key, at the price of a cache hit.

A key has one of three forms, and the values alone decide which:

* a text by itself, for a function of one parameter, or a tuple of texts;
* values and then their types, ``("NVDA", 5, str, int)``, for other plain values; a float stands
  there as ``float.hex()``, which tells -0.0 from 0.0 and knows one NaN;
* 32 bytes, the digest of the canonical bytes, for everything else, so that a key stays small.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from hashlib import blake2b

import msgspec

from ..errors import BadSetup, NoKey
from .arguments import Arguments, Function, Keywords, Parameters, unwrapped
from .canonical import VERSION, canonical, write_down
from .identity import Token, held_by_id, owner

KeyOf = Callable[[Arguments, Keywords], Hashable]

_DEFAULT = Token(b"D")
_PLAIN = frozenset({str, int, bool, type(None), bytes, Token})
_PLAIN_OR_FLOAT = _PLAIN | {float}


def key_from_signature(run: Function, *, leave_out: frozenset[str] = frozenset()) -> KeyOf:
    """What makes the key of a call of *run*: equal for equal questions, however they are put.

    Positional or by keyword, with a default left to itself or spelled out: one question, one key.
    Types are told apart at every depth. ``self`` counts by identity, or by its ``__headway_key__``.
    The parameters in *leave_out* do not count.

    The function returned raises ``NoKey`` for an argument without canonical form, and ``TypeError``
    for arguments that do not fit. Its cost for texts and numbers is a few bare awaits.

    Raises:
        BadSetup: *run* has no parameter of a name in *leave_out*.
    """
    function, args, kwargs = unwrapped(run)
    parameters = Parameters(function)
    _check_names(parameters, leave_out)
    question = _Question(parameters, leave_out)
    key_of = question.key_of()
    if not args and not kwargs:
        return key_of
    return lambda more, named: key_of(args + more, {**kwargs, **named})


def key_from_function(key: KeyOf) -> KeyOf:
    """What makes the key of a call from what *key* gives: types told apart there too.

    ``key=lambda args, kwargs: args[0].lower()``; lists and dicts may be given as well.
    """

    def key_of(args: Arguments, kwargs: Keywords) -> Hashable:
        value = key(args, kwargs)
        if type(value) is str:
            return value
        return blake2b(VERSION + canonical(value), digest_size=32).digest()

    return key_of


class Without(msgspec.Struct, frozen=True):
    """A key that leaves some parameters out of the question; made by ``without``."""

    names: frozenset[str]

    def build(self, run: Function) -> KeyOf:
        """What makes the key of a call of *run*; see ``key_from_signature``."""
        return key_from_signature(run, leave_out=self.names)


def without(*names: str) -> Without:
    """``@operation(key=without("request_id"))``: calls that differ only there are one question.

    Raises:
        BadSetup: no name is given, or something that is no name; names that the function does not
            have are refused when the operation is made.
    """
    if not names or not all(isinstance(name, str) for name in names):
        raise BadSetup(f"without{names!r}: name the parameters to leave out, as texts")
    return Without(frozenset(names))


def bind(run: Function) -> Callable[[Arguments, Keywords], dict[str, object]]:
    """What gives the arguments of a call by name, defaults filled in.

    ``*args`` stands under its own name as a tuple; each of ``**kwargs`` under the name it came by.
    Not for hot paths. The function returned raises ``TypeError`` for arguments that do not fit.
    """
    function, first, preset = unwrapped(run)
    parameters = Parameters(function)

    def arguments(args: Arguments, kwargs: Keywords) -> dict[str, object]:
        values, more, rest = parameters.in_parts(first + args, {**preset, **kwargs})
        by_name = dict(zip(parameters.names, values, strict=True))
        if parameters.more_args is not None:
            by_name[parameters.more_args] = more
        return {**rest, **by_name}

    return arguments


def digest(key: Hashable) -> str:
    """32 hexadecimal digits that stand for *key*, the same in every process.

    For the keys made here and for tuples of them with other values. A key that holds an identity
    (a ``self``, a lambda) is an exception: nothing in another process is the same object.

    Raises:
        NoKey: the key holds a value without canonical form.
    """
    return blake2b(canonical(key), digest_size=16).hexdigest()


def _check_names(parameters: Parameters, leave_out: frozenset[str]) -> None:
    known = parameters.signature.parameters
    unknown = sorted(leave_out - known.keys())
    if unknown and parameters.more_kwargs is None:
        raise BadSetup(
            f"{parameters.title} has no parameter {', '.join(map(repr, unknown))} to leave out; "
            f"it has {', '.join(map(repr, known)) or 'none'}"
        )


class _Question:
    """What a call of one function asks: which arguments count, and their way to a key."""

    def __init__(self, parameters: Parameters, leave_out: frozenset[str]) -> None:
        names = parameters.names
        self.parameters, self.leave_out = parameters, leave_out
        self.counting = [place for place, name in enumerate(names) if name not in leave_out]
        self.names = [names[place] for place in self.counting]
        self.is_owned = self.names[:1] in (["self"], ["cls"]) and self.counting[0] == 0
        self.opaque = {
            place: parameters.defaults[name]
            for place, name in enumerate(self.names)
            if name in parameters.defaults and not _has_canonical_form(parameters.defaults[name])
        }

    def key_of(self) -> KeyOf:
        """The quickest way that serves the signature."""
        if self.parameters.more_args or self.parameters.more_kwargs:
            return self._key_of_any()
        if self.leave_out:
            return self._key_of_some()
        if self.is_owned:
            return self._key_of_method()
        return self._key_of_one() if len(self.names) == 1 else self._key_of_several()

    @property
    def _complete(self) -> int:
        """As many arguments by position are all there are to give; -1 if that cannot be."""
        names, positions = self.parameters.names, self.parameters.positions
        return positions if positions == len(names) else -1

    def _key_of_one(self) -> KeyOf:
        in_order, rarer, complete = self.parameters.in_order, self._rarer, self._complete

        def key_of(args: Arguments, kwargs: Keywords) -> Hashable:
            if kwargs or len(args) != complete:
                args = in_order(args, kwargs)
            value = args[0]
            kind = type(value)
            if kind is str:
                return value
            if kind in _PLAIN:
                return value, kind
            return rarer(args, (kind,))

        return key_of

    def _key_of_several(self) -> KeyOf:
        in_order, rarer, are_plain = self.parameters.in_order, self._rarer, _PLAIN.issuperset
        complete, all_text = self._complete, (str,) * len(self.names)

        def key_of(args: Arguments, kwargs: Keywords) -> Hashable:
            if kwargs or len(args) != complete:
                args = in_order(args, kwargs)
            types = tuple(map(type, args))
            if types == all_text:
                return args
            if are_plain(types):
                return args + types
            return rarer(args, types)

        return key_of

    def _key_of_method(self) -> KeyOf:
        in_order, rarer, are_plain = self.parameters.in_order, self._rarer, _PLAIN.issuperset
        complete, owner_of, tokens = self._complete, self._owner, held_by_id.get
        all_text = (Token,) + (str,) * (len(self.names) - 1)

        def key_of(args: Arguments, kwargs: Keywords) -> Hashable:
            if kwargs or len(args) != complete:
                args = in_order(args, kwargs)
            itself = args[0]
            held = tokens(id(itself))
            if held is not None and held[0]() is itself:
                args = (held[1], *args[1:])
            else:
                args = (owner_of(itself), *args[1:])
            types = tuple(map(type, args))
            if types == all_text:
                return args
            if are_plain(types):
                return args + types
            return rarer(args, types)

        return key_of

    def _key_of_some(self) -> KeyOf:
        in_order, counting, of_values = self.parameters.in_order, self.counting, self._key_of_values

        def key_of(args: Arguments, kwargs: Keywords) -> Hashable:
            values = in_order(args, kwargs)
            return of_values(tuple([values[place] for place in counting]))

        return key_of

    def _key_of_any(self) -> KeyOf:
        parameters, leave_out, counting = self.parameters, self.leave_out, self.counting
        more_counts = parameters.more_args not in leave_out
        rest_counts = parameters.more_kwargs not in leave_out

        def key_of(args: Arguments, kwargs: Keywords) -> Hashable:
            values, more, rest = parameters.in_parts(args, kwargs)
            values = tuple([values[place] for place in counting])
            rest = {name: value for name, value in rest.items() if name not in leave_out}
            return self._key_of_values(
                values + more if more_counts else values, rest if rest_counts else {}
            )

        return key_of

    def _key_of_values(self, values: Arguments, rest: Keywords | None = None) -> Hashable:
        if self.is_owned:
            values = (self._owner(values[0]), *values[1:])
        if rest:
            return self._digested(self._known(values), rest)
        return self._formed(values)

    def _formed(self, values: Arguments) -> Hashable:
        types = tuple(map(type, values))
        return values + types if _PLAIN.issuperset(types) else self._rarer(values, types)

    def _rarer(self, values: Arguments, types: tuple[type, ...]) -> Hashable:
        """The key of values that are not all plain."""
        if _PLAIN_OR_FLOAT.issuperset(types):
            told_apart = [value.hex() if type(value) is float else value for value in values]
            return (*told_apart, *types)
        known = self._known(values)
        return self._digested(values, {}) if known is values else self._formed(known)

    def _known(self, values: Arguments) -> Arguments:
        """The values, with a token for a default that cannot be written down."""
        opaque = self.opaque
        if not opaque or not any(values[place] is default for place, default in opaque.items()):
            return values
        return tuple(
            _DEFAULT if place in opaque and value is opaque[place] else value
            for place, value in enumerate(values)
        )

    def _digested(self, values: Arguments, rest: Keywords) -> bytes:
        written = [VERSION, b"q%d:" % len(values)]
        for place, value in enumerate(values):
            name = self.names[place] if place < len(self.names) else self.parameters.more_args
            self._write_down(str(name), value, written)
        written.append(b"d%d:" % len(rest))
        for name in sorted(rest):
            write_down(name, written.append)
            self._write_down(name, rest[name], written)
        return blake2b(b"".join(written), digest_size=32).digest()

    def _write_down(self, name: str, value: object, written: list[bytes]) -> None:
        try:
            write_down(value, written.append)
        except NoKey as error:
            raise self._refusal(name, error) from None

    def _owner(self, value: object) -> object:
        try:
            return owner(value)
        except NoKey as error:
            raise self._refusal(self.names[0], error) from None

    def _refusal(self, name: str, reason: NoKey) -> NoKey:
        refusal = NoKey(
            f"{self.parameters.title}: the argument {name!r} has no key: {reason}. "
            f'Or leave it out by key=without("{name}"), or pass your own key=, a function of '
            "(args, kwargs)"
        )
        refusal.operation = self.parameters.title
        return refusal


def _has_canonical_form(value: object) -> bool:
    try:
        canonical(value)
    except NoKey:
        return False
    return True
