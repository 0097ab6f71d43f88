"""Under pytest every tensor shape written in a type is checked, by jaxtyping and beartype."""

from jaxtyping import install_import_hook

# before anything imports the packages: the hook rewrites modules while they are loaded
install_import_hook(["rewards", "sn_eval"], "typecheck.beartype")

import signal  # noqa: E402

import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

# A busy machine is no fault of what is tested: no test fails for its time.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_reaches_children():
    """A shell starts background jobs with SIGINT ignored, and children inherit that: no test could press Ctrl-C."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def few_threads():
    """Tensors in tests are tiny: threads only add waiting, and bits may depend on their number."""
    torch.set_num_threads(1)
