"""Public helpers for tests: fakes of every port, and contract suites that a new adapter subclasses.

Belongs here: what runs in a test process. Never: anything that a gateway needs to serve a request.
"""

import sys

if "pytest" in sys.modules:  # so that a failing contract shows both sides of an assertion, as a test file does
    sys.modules["pytest"].register_assert_rewrite(
        *(
            f"{__name__}.{module}"
            for module in ("contract", "identity_contract", "network_log_contract", "tool_credentials_contract")
        )
    )
