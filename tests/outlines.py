"""Networks that are looked at and not run: their variables have shapes and names, but no values yet."""

import contextlib

import keras


@contextlib.contextmanager
def without_values():
    """What is built inside can be counted, named and asked for its shapes; filling large networks takes far longer."""
    with keras.StatelessScope(initialize_variables=False):
        yield
    # or they would all be filled when the next such scope ends
    keras.utils.clear_session()
