import pytest
from helpers import Kernel


@pytest.fixture(scope="module")
def shared():
    """One kernel for the tests of a file: also those after an error use it, as users do."""
    with Kernel() as kernel:
        yield kernel.settle()


@pytest.fixture
def kernel(shared):
    """The file's kernel, with nothing of an earlier test still under way."""
    shared.log.clear()
    shared.asked.clear()
    yield shared


@pytest.fixture
def fresh():
    """A kernel of a test's own."""
    with Kernel() as kernel:
        yield kernel
