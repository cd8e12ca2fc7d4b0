"""What stands for an address tells nobody whose it is, and is found again after a secret was changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.steps.pseudonyms import Pseudonyms, network_of

OLD, NEW = "an old secret of the tests", "a new secret of the tests"


def test_an_address_has_one_hash_in_letters_of_any_size_and_holds_nothing_of_it() -> None:
    pseudonyms = Pseudonyms([OLD])
    key = pseudonyms.address(" Ana@Example.org")
    assert key == pseudonyms.address("ana@example.org")
    assert key != pseudonyms.address("ana+wire@example.org")
    name, dot, digest = key.partition(".")
    assert (len(name), dot, len(digest)) == (4, ".", 64)
    assert "ana" not in key
    assert "example" not in key


def test_another_secret_gives_another_hash() -> None:
    assert Pseudonyms([OLD]).address("ana@example.org") != Pseudonyms([NEW]).address("ana@example.org")


def test_what_an_older_secret_hashed_is_found_as_long_as_it_is_given() -> None:
    before, after = Pseudonyms([OLD]), Pseudonyms([NEW, OLD])
    kept = before.address("ana@example.org")
    assert kept in after.addresses("ana@example.org")
    assert after.address("ana@example.org") == Pseudonyms([NEW]).address("ana@example.org")
    assert kept.partition(".")[0] in after.names
    assert kept.partition(".")[0] not in Pseudonyms([NEW]).names


@given(st.text(min_size=1))
def test_any_text_has_a_hash_and_a_purpose_of_its_own(text: str) -> None:
    pseudonyms = Pseudonyms([OLD])
    assert pseudonyms.address(text) != pseudonyms.network(text)


@pytest.mark.parametrize("secrets", [[], [""], [OLD, ""]])
def test_nothing_is_hashed_without_a_secret(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="at least"):
        Pseudonyms(secrets)


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_a_client_counts_with_its_network(client: str, network: str) -> None:
    assert network_of(client) == network


def test_neighbours_share_a_hash_and_strangers_do_not() -> None:
    pseudonyms = Pseudonyms([OLD])
    assert pseudonyms.network("192.0.2.1") == pseudonyms.network("192.0.2.254")
    assert pseudonyms.network("192.0.2.1") != pseudonyms.network("192.0.3.1")
