"""Secrets and signatures of Standard Webhooks."""

from base64 import b64encode

import pytest

from duly.domain.webhook import key_of, signed


def a_secret(size):
    return "whsec_" + b64encode(bytes(range(size))).decode()


@pytest.mark.standard("Standard Webhooks", "2.2", "A secret is written in base64 with the prefix `whsec_`.")
def test_the_key_is_what_the_base64_says():
    assert key_of(a_secret(24)) == bytes(range(24))
    assert key_of(a_secret(64)) == bytes(range(64))


@pytest.mark.standard("Standard Webhooks", "2.2", "A secret has 24 bytes at least and 64 at most.")
@pytest.mark.parametrize("size", [0, 23, 65])
def test_a_secret_that_is_too_short_or_too_long_is_refused(size):
    with pytest.raises(ValueError, match="24 to 64 random bytes"):
        key_of(a_secret(size))


@pytest.mark.mistake(48)
@pytest.mark.parametrize("secret", ["hunter2", a_secret(32)[6:], "whsec_!" + a_secret(32)[6:], "whsec_hünter2", ""])
def test_what_is_no_secret_is_refused_without_being_shown(secret):
    with pytest.raises(ValueError, match="whsec_ and 24 to 64") as caught:
        key_of(secret)

    assert not secret or secret not in str(caught.value)


@pytest.mark.standard(
    "Standard Webhooks", "2.3", "The headers are webhook-id, webhook-timestamp and webhook-signature."
)
def test_the_signature_of_the_specifications_own_library():
    """Its secret, message and time, with the signature that its test suite expects of every language."""
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    headers = signed([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
