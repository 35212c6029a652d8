"""A pydantic model of a login; importable only where pydantic is."""

from pydantic import BaseModel


class Account(BaseModel):
    username: str
    password: str
