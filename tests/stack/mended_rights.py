"""What stands between the emulator's check of rights, which it has when AUTH is on, and this test stack."""

from ministack import app
from ministack.core import sigv4


def mend() -> None:
    take_as_secure()
    take_as_signed()


def take_as_secure() -> None:
    """The templates refuse what does not come by TLS, and here nothing does: it is taken as if it had."""
    pin = app.pin_request_origin
    app.pin_request_origin = lambda address, is_secure: pin(address, True)


def take_as_signed() -> None:
    """A signature is over the body, which the proxy changes when it turns single records away. Who signs is looked at, whether
    what was signed is what came is not."""
    sigv4.header_signature_failure = lambda *_, **__: None
