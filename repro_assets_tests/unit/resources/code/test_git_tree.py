"""A remote's address is recorded without anything that could open it."""

from __future__ import annotations

import pytest

from repro_assets.resources.code.git_tree import without_credentials

ADDRESSES = {
    "https://example.org/team/project.git": "https://example.org/team/project.git",
    "https://user@example.org/p.git": "https://example.org/p.git",
    "https://user:pass@example.org:8443/p.git": "https://example.org:8443/p.git",
    "https://user:p@ss@example.org/p.git": "https://example.org/p.git",
    "https://user:p?ss#x@example.org/p.git": "https://example.org/p.git",  # repro: no secret
    "https://example.org/p.git?access_token=abc": "https://example.org/p.git",
    "https://example.org/p.git#token": "https://example.org/p.git",
    "https://user:pa/ss@example.org/p.git": None,  # repro: no secret
    "https://[2001:db8::1]:8443/p.git": "https://[2001:db8::1]:8443/p.git",
    "https://[2001:db8::1]/p.git": "https://[2001:db8::1]/p.git",
    "ssh://git@example.org:22/p.git": "ssh://example.org:22/p.git",
    "git@example.org:team/p.git": "example.org:team/p.git",
    "user:pass@example.org:team/p.git": "example.org:team/p.git",
    "example.org:team/p.git": "example.org:team/p.git",
    "codecommit::region://profile@p": None,
    "ext::ssh -i key host %S": None,
    "../elsewhere/p.git": "../elsewhere/p.git",
    "file:///srv/p.git": "file:///srv/p.git",
    "/srv/me@home/p.git": "/srv/me@home/p.git",
}


@pytest.mark.parametrize(("address", "expected"), ADDRESSES.items(), ids=ADDRESSES.keys())
def test_an_address_keeps_host_and_path_and_loses_credentials(address, expected):
    assert without_credentials(address) == expected
