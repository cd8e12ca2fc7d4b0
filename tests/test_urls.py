"""Addresses: which are one, which are left out, and what a log may show."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.urls import (
    MAX_LENGTH,
    absolute_http,
    ascii_url,
    canonical_url,
    dois_in,
    host_of,
    is_site_root,
    same_site,
    without_secrets,
)

PAGE = "https://example.org/papers/asia"


@pytest.mark.parametrize(
    "url",
    [
        PAGE,
        "http://example.org/papers/asia",
        "HTTP://WWW.Example.ORG:80/papers/asia/",
        "https://example.org:443//papers/./asia",
        "https://example.org./papers/x/../asia",
        "https://m.example.org/papers/asia",
        "https://www.amp.example.org/papers/asia/amp/",
        "https://example.org/papers/asia?amp=1",
        "https://example.org/papers/asia/index.html",
        "https://example.org/papers/asia?outputType=amp&print=1&view=print",
        "https://example.org/papers/asia#section-2",
        "https://example.org/papers/asia?",
        "https://example.org/papers/asia?utm_source=rss&utm_medium=feed&fbclid=abc&mc_cid=1&MC_EID=2&at_medium=x",
        "https://example.org/papers/asia?utm%5Fsource=rss",
        "https://example.org/papers/asia?utm_source=a&amp;utm_medium=b&amp;amp;utm_term=c",
        " https://example.org/papers/asia \n",
        "https://exam\nple.org/papers/asia",
        "https://user:pw@example.org/papers/asia",
        "https://example.org/p%61pers/asi%61",
        "https://www.google.com/url?sa=t&url=https%3A%2F%2Fexample.org%2Fpapers%2Fasia&usg=x",
        "https://google.co.uk/url?q=https://example.org/papers/asia",
        "https://m.youtube.com/redirect?q=http%3A%2F%2Fexample.org%2Fpapers%2Fasia",
        "https://l.facebook.com/l.php?u=https%3A%2F%2Fexample.org%2Fpapers%2Fasia%3Ffbclid%3Dx&h=y",
        "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fexample.org%2Fpapers%2Fasia&data=x",
        "https://www.linkedin.com/redir/redirect?url=https%3A%2F%2Fexample.org%2Fpapers%2Fasia",
        "https://out.reddit.com/t3_x?url=https%3A%2F%2Fexample.org%2Fpapers%2Fasia&token=x",
        "https://www.google.com/url?q=https%3A%2F%2Fl.facebook.com%2Fl.php%3Fu%3Dhttps%253A%252F%252Fexample.org%252Fpapers%252Fasia",
    ],
)  # fmt: skip
def test_addresses_of_one_page_have_one_form(url: str) -> None:
    assert canonical_url(url) == PAGE


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.org/a", "https://example.org/A"),
        ("https://example.org/a", "https://example.com/a"),
        ("https://example.org/a", "https://blog.example.org/a"),
        ("https://example.org/a", "https://example.org:8080/a"),
        ("https://example.org/?p=1", "https://example.org/?p=2"),
        ("https://example.org/a", "https://example.org/#!/a"),
        ("https://example.org/a#/x", "https://example.org/a#/y"),
        ("https://example.org/a?b", "https://example.org/a?c"),
        ("https://example.org/a%2Bb", "https://example.org/a%20b"),
        ("https://example.org/amp/a", "https://example.org/a"),
        ("https://google.com/search?q=https://example.org/", "https://example.org/"),
        ("https://evil-google.com/url?q=https://example.org/", "https://example.org/"),
    ],
)
def test_addresses_of_two_pages_have_two_forms(one: str, other: str) -> None:
    assert canonical_url(one) != canonical_url(other)
    assert None not in (canonical_url(one), canonical_url(other))


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("https://example.org/?b=2&a=1&utm_id=3", "https://example.org/?a=1&b=2"),
        ("https://example.org/?a=x+y&b", "https://example.org/?a=x+y&b="),
        ("https://bücher.example/é?q=ü", "https://xn--bcher-kva.example/%C3%A9?q=%C3%BC"),
        ("https://xn--bcher-kva.example/%c3%a9?q=%c3%bc", "https://xn--bcher-kva.example/%C3%A9?q=%C3%BC"),
        ("https://bücher。example/", "https://xn--bcher-kva.example/"),
        ("https://example.org/my paper", "https://example.org/my%20paper"),
        ("https://example.org/my%20paper", "https://example.org/my%20paper"),
        ("https://example.org/%ff%FE", "https://example.org/%FF%FE"),
        ("https://example.org/a;b,c@d!e", "https://example.org/a;b,c@d!e"),
        ("http://[2001:DB8::1]:8080/x", "https://[2001:db8::1]:8080/x"),
        ("https://example.org/a/../../b", "https://example.org/b"),
        ("https://www.gov.uk/x", "https://gov.uk/x"),
        ("https://m.co/x", "https://m.co/x"),
        ("https://www.m.co/x", "https://m.co/x"),
        ("https://example.org/#!/a b", "https://example.org/#!/a%20b"),
        ("https://example.org/index.php?id=3", "https://example.org/?id=3"),
    ],
)
def test_forms(url: str, form: str) -> None:
    assert canonical_url(url) == form


@pytest.mark.parametrize(
    "url",
    [
        "", "example.org/a", "//example.org/a", "mailto:a@example.org", "javascript:alert(1)", "ftp://example.org/", "http://",
        "http:///a", "http://[::1", "http://example.org:port/", "http://example.org:99999/", "urn:uuid:1", "http://xn--\u0301.x/",
        "http://\ud800.example/", "http://example.org/\ud800", "http://example.org/?\ud800", "http://example.org/#!\ud800",
        "https://example.org/" + "a" * MAX_LENGTH, "https://example.org/" + "é" * (MAX_LENGTH // 3),
        "https://google.com/url?q=http://[",
    ],
)  # fmt: skip
def test_what_is_no_http_address_has_no_form(url: str) -> None:
    assert canonical_url(url) is None


def test_a_long_chain_of_wrappers_is_undone_whole() -> None:
    url = "https://example.org/a"
    while len(url) < MAX_LENGTH - 40:
        url = f"https://google.com/url?q={url}"
    assert canonical_url(url) == "https://example.org/a"


SCRAPS = """
    http:// https:// www. m. amp. example.org google.com / // . .. ? & = # #!/ /url q= url= utm_source=x amp index.html
    % %25 %2F %2e %C3%A9 %FF é 。 :80 + a A @ [::1] ; \\ http%3A%2F%2F x=1
"""
PIECES = st.lists(st.sampled_from([*SCRAPS.split(), " ", "\t", "\udcff", "\ud800"]), max_size=14).map("".join)
ADDRESSES = PIECES | PIECES.map("https://example.org/{}".format) | PIECES.map("http://{}".format) | st.text()


@given(ADDRESSES)
def test_a_form_is_its_own_form_and_can_be_stored(url: str) -> None:
    form = canonical_url(url)
    if form is not None:
        assert canonical_url(form) == form
        assert form.startswith("https://")
        assert form.encode("utf-8")


@given(
    st.text(alphabet="abcdefgh-._~!$'()*,;:@/é ", max_size=30),
    st.lists(st.sampled_from(["a=1", "b=2", "c=ü", "utm_id=9"])),
)
def test_the_order_of_parameters_does_not_matter(path: str, pairs: list[str]) -> None:
    one, other = (canonical_url(f"https://example.org/{path}?{'&'.join(p)}") for p in (pairs, sorted(pairs)))
    assert one == other


@pytest.mark.parametrize("path", ["a", "?p=1", "#!/a", ""])
def test_a_site_is_no_publication(path: str) -> None:
    assert is_site_root(f"https://example.org/{path}") is (path == "")


@pytest.mark.parametrize(
    ("url", "base", "whole"),
    [
        ("/a", "https://example.org/x/", "https://example.org/a"),
        ("a?b#c", "https://example.org/x/", "https://example.org/x/a?b#c"),
        ("//other.example/a", "https://example.org/", "https://other.example/a"),
        (" https://example.org/a\n", None, "https://example.org/a"),
        ("https://bücher.example/é", None, "https://bücher.example/é"),
        ("HTTPS://EXAMPLE.org/a", "https://x.example/", "https://EXAMPLE.org/a"),
        ("", "https://example.org/a", "https://example.org/a"),
        ("/a", None, None),
        ("/a", "urn:x", None),
        ("/a", "http://[", None),
        ("javascript:alert(1)", "https://example.org/", None),
        ("JaVa\tscript:alert(1)", "https://example.org/", None),
        ("data:text/html,x", "https://example.org/", None),
        ("mailto:a@example.org", "https://example.org/", None),
        ("http://", None, None),
        ("http:a", None, None),
        ("https://ana:pw@example.org/", None, None),
        ("https://example.org\\@evil.example/", None, None),
        ("https://example.org\\.evil.example/", None, None),
        ("https://example.org:99999/", None, None),
        ("https://[::1/", None, None),
        ("https://example.org/a b", None, None),
        ("https://example.org/a\u202eb", None, None),
        ("https://example.org/\udcff", None, None),
        ("https://example.org/" + "a" * MAX_LENGTH, None, None),
    ],
)
def test_absolute_addresses(url: str, base: str | None, whole: str | None) -> None:
    assert absolute_http(url, base) == whole


@given(ADDRESSES, st.none() | ADDRESSES)
def test_an_absolute_address_is_a_plain_http_one_or_none(url: str, base: str | None) -> None:
    whole = absolute_http(url, base)
    if whole is not None:
        assert whole.lower().startswith(("http://", "https://"))
        assert whole.isprintable()
        assert not set(" \\@") & set(re.split("[/?#]", whole)[2])


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        (PAGE, PAGE),
        ("https://bücher.example/é?q=ü", "https://xn--bcher-kva.example/%C3%A9?q=%C3%BC"),
        ("https://bücher.example:8080/a%20b", "https://xn--bcher-kva.example:8080/a%20b"),
        ("https://example.org/é", "https://example.org/%C3%A9"),
        ("https://[::1/", None),
        ("https://\u0301.example/", None),
    ],
)
def test_plain_ascii_forms(url: str, plain: str | None) -> None:
    assert ascii_url(url) == plain


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://www.ifri.example:8443/a", "ifri.example"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://аpple.example/", "xn--pple-43d.example"),
        ("https://☃.example/", "\\u2603.example"),
        ("mailto:desk@example.org", ""),
    ],
)
def test_a_host_is_shown_in_letters_that_imitate_no_other(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org/a?b=c&d=%20", "https://example.org/a?b=c&d=%20"),
        ("https://ana:pw@example.org/a", "https://***@example.org/a"),
        ("https://a@b@example.org/a", "https://***@example.org/a"),
        ("https://example.org/?access_token=s3cret&b=c+d", "https://example.org/?access_token=***&b=c%20d"),
        ("https://example.org/?API-Key=s3cret", "https://example.org/?API-Key=***"),
        ("https://example.org/?X-Amz-Signature=s3cret", "https://example.org/?X-Amz-Signature=***"),
        ("https://example.org/?p%61ss=s3cret&pwd=s3cret&code=s3cret", "https://example.org/?pass=***&pwd=***&code=***"),
        ("https://example.org/a#access_token=s3cret", "https://example.org/a"),
        ("http://[::1", "(unreadable address)"),
        ("", ""),
        ("https://x.example/f?author=Ana&keyword=oil&design=2", "https://x.example/f?author=Ana&keyword=oil&design=2"),
        (
            "https://x.example/f?api_key=a&apikey2=b&x-sig=c&sid=d",
            "https://x.example/f?api_key=***&apikey2=***&x-sig=***&sid=***",
        ),
    ],
)
def test_secrets_of_an_address_are_starred(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


@given(ADDRESSES)
def test_any_text_can_be_shown(url: str) -> None:
    assert "s3cret" not in without_secrets(f"https://u:s3cret@example.org/?token=s3cret&{url.partition('#')[0]}")
    without_secrets(url)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://www.example.org/a", "http://example.org/rss", True),
        ("https://example.org/a", "https://rss.example.org/", True),
        ("https://rss.example.org/", "https://example.org/a", True),
        ("https://example.org/a", "https://badexample.org/", False),
        ("https://one.example.org/a", "https://two.example.org/", False),
        ("https://example.org/a", "mailto:a@example.org", False),
    ],
)
def test_a_site_is_a_host_and_what_lies_under_it(one: str, other: str, same: bool) -> None:
    assert same_site(one, other) is same


@pytest.mark.parametrize(
    ("text", "dois"),
    [
        ("See doi:10.5555/ABC-1.2, and (10.1000/xyz).", ["10.5555/ABC-1.2", "10.1000/xyz"]),
        ("https://doi.org/10.5555/abc?x=1#top", ["10.5555/abc"]),
        ('<a href="https://doi.org/10.5555/abc">10.5555/abc</a>', ["10.5555/abc", "10.5555/abc"]),
        ("Version 10.2/3 of 110.5555/abc", []),
        ("Nothing", []),
    ],
)
def test_dois_in_a_text(text: str, dois: list[str]) -> None:
    assert dois_in(text) == dois


PIECES = [
    *"aB1/.-_~é",
    "www.",
    "m.",
    "amp.",
    "/amp",
    "/AMP",
    "/index",
    "/Index.html",
    "/index.x",
    "a.example",
    ":443",
    "%41",
]


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join))
def test_a_plain_address_is_read_at_a_glance_as_any_other_is(rest: str) -> None:
    assert canonical_url(f"https://{rest}") == canonical_url(f"HTTPS://{rest}")
