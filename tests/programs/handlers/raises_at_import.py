"""A module whose Init fails with an exception of its own."""


class NoDatabase(Exception):
    pass


raise NoDatabase("nobody answers")
