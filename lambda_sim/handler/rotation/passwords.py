"""Passwords as GetRandomPassword makes them; pure."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence

__all__ = ["random_password"]


def random_password(  # noqa: PLR0917 - GetRandomPassword's parameters
    length: int,
    excluded: str,
    has_numbers: bool,
    has_punctuation: bool,
    has_uppercase: bool,
    has_lowercase: bool,
    has_space: bool,
    needs_each_type: bool,
    choose: Callable[[Sequence[str]], str],
) -> str:
    """A password of characters that are asked for and not excluded.

    :param choose: picks one of several, by chance.
    :raises ValueError: no character is left, or there are more types than characters.

    AWS: *AWS Secrets Manager API Reference*, GetRandomPassword.
    """
    wanted = {
        string.ascii_lowercase: has_lowercase,
        string.ascii_uppercase: has_uppercase,
        string.digits: has_numbers,
        string.punctuation: has_punctuation,
        " ": has_space,
    }
    kinds = [
        left
        for characters, is_wanted in wanted.items()
        if is_wanted and (left := [one for one in characters if one not in excluded])
    ]
    if not kinds:
        raise ValueError("no characters are left to make a password of")
    picked = [choose(kind) for kind in kinds] if needs_each_type else []
    if len(picked) > length:
        raise ValueError("Password length is too short based on the required types.")
    everything = [character for kind in kinds for character in kind]
    while len(picked) < length:
        picked.append(choose(everything))
    return _shuffled(picked, choose)


def _shuffled(characters: list[str], choose: Callable[[Sequence[str]], str]) -> str:
    shuffled = ""
    while characters:
        place = characters.index(choose(characters))
        shuffled += characters.pop(place)
    return shuffled
