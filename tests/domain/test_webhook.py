"""Secrets and signatures of Standard Webhooks."""

from base64 import b64encode

import pytest

from duly.domain.webhook import for_whom, key_of, keys_for, signed


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


def test_a_receiver_with_secrets_of_its_own_is_signed_for_with_those_alone():
    own = [f"Hooks.Shop.example={a_secret(size)}" for size in (24, 25)]
    secrets = [*own, f"[fd00::1]={a_secret(26)}", a_secret(32)]

    assert keys_for(secrets, "hooks.shop.example") == [bytes(range(24)), bytes(range(25))]
    assert keys_for(secrets, "fd00::1") == [bytes(range(26))]
    assert keys_for(secrets, "shop.example") == [bytes(range(32))]
    assert keys_for(own, "shop.example") == []


@pytest.mark.mistake(48)
@pytest.mark.parametrize("host", ["", "https://shop.example", "shop.example/done", "shop.example:443", "sh op"])
def test_what_is_no_host_before_a_secret_is_refused_without_showing_it(host):
    with pytest.raises(ValueError, match="its host alone") as caught:
        for_whom(f"{host}={a_secret(32)}")

    assert a_secret(32)[6:] not in str(caught.value)


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
