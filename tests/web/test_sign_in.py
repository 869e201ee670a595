"""Who may see the engine's pages: codes that work once, cookies, foreign pages, hostile texts."""

from __future__ import annotations

import pytest
import requests
from browsing import needs_chromium, sign_in_address

from infinity_frames.client.http import RestClient
from infinity_frames.client.sign_in import open_pages

pytestmark = pytest.mark.slow

HTML = {"Accept": "text/html,application/xhtml+xml"}


def get(url: str, **more) -> requests.Response:
    return requests.get(url, timeout=30, allow_redirects=False, headers=HTML, **more)


@pytest.fixture
def cookie(shared_engine) -> dict[str, str]:
    """The cookie of a browser that is signed in."""
    return dict(get(sign_in_address(shared_engine)).cookies)


def test_a_browser_gets_a_page_and_a_program_gets_json(shared_engine, client) -> None:
    page = get(shared_engine.url)
    assert page.status_code == 401
    assert page.headers["Content-Type"].startswith("text/html")
    assert "infinity-frames open" in page.text
    answer = client.get("/")
    assert answer.status_code == 404
    assert "No endpoint /" in answer.json()["detail"]


def test_a_code_signs_in_once(shared_engine) -> None:
    address = sign_in_address(shared_engine)
    assert shared_engine.token not in address
    first = get(address)
    assert first.status_code == 200
    (held,) = first.headers["Set-Cookie"].splitlines()
    assert "HttpOnly" in held
    assert "SameSite=strict" in held
    assert "Max-Age=43200" in held
    assert shared_engine.token not in held + first.text
    second = get(address)
    assert second.status_code == 401
    assert "used before or has expired" in second.text
    assert "Set-Cookie" not in second.headers


def test_a_cookie_opens_pages_and_data(shared_engine, cookie) -> None:
    assert "Batches" in get(shared_engine.url, cookies=cookie).text
    assert get(f"{shared_engine.url}/pages/batches", cookies=cookie).status_code == 200
    assert get(f"{shared_engine.url}/api/account/", cookies=cookie).status_code == 200
    for path in ("/batches", "/pages/batches", "/api/account/"):
        assert get(shared_engine.url + path).status_code == 401
        wrong = dict.fromkeys(cookie, "guessed")
        assert get(shared_engine.url + path, cookies=wrong).status_code == 401


def test_changes_need_the_origin_of_the_engine(shared_engine, cookie, done) -> None:
    path = f"{shared_engine.url}/api/batch/{done['id']}/cancel/"

    def change(**headers) -> int:
        return requests.post(path, cookies=cookie, headers=headers, timeout=30).status_code

    assert change() == 403
    assert change(Origin="http://evil.example") == 403
    assert change(Origin="null") == 403
    assert change(Origin=shared_engine.url) == 200


def test_a_code_needs_a_token(shared_engine, cookie) -> None:
    headers = {"Origin": shared_engine.url}
    path = f"{shared_engine.url}/api/sessions/"
    assert requests.post(path, cookies=cookie, headers=headers, timeout=30).status_code == 401


def test_sign_out_and_a_revoked_token_end_sessions(shared_engine, client) -> None:
    token = shared_engine.new_token("leaving")
    cookie = dict(get(sign_in_address(shared_engine, token)).cookies)
    assert get(f"{shared_engine.url}/batches", cookies=cookie).status_code == 200
    out = requests.post(
        f"{shared_engine.url}/sign-out/",
        cookies=cookie,
        headers={"Origin": shared_engine.url},
        timeout=30,
    )
    assert out.status_code == 200
    assert get(f"{shared_engine.url}/batches", cookies=cookie).status_code == 401
    cookie = dict(get(sign_in_address(shared_engine, token)).cookies)
    (mine,) = [one for one in client.get("/api/tokens/").json() if one["account"] == "leaving"]
    client.http.delete(f"{shared_engine.url}/api/tokens/{mine['id']}/", timeout=30)
    assert get(f"{shared_engine.url}/batches", cookies=cookie).status_code == 401


def test_pages_keep_foreign_code_out(shared_engine, cookie) -> None:
    policy = get(shared_engine.url, cookies=cookie).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    foreign = requests.get(shared_engine.url, headers={**HTML, "Host": "evil.example"}, timeout=30)
    assert foreign.status_code == 403


def test_static_files_only(shared_engine) -> None:
    script = get(f"{shared_engine.url}/static/batches.js")
    assert script.headers["Content-Type"].startswith("text/javascript")
    for name in ("..%2Fpages.py", "pages.py", "%2e%2e%2fpages.py", "none.js"):
        assert get(f"{shared_engine.url}/static/{name}").status_code == 404


def test_a_server_without_pages_is_named(shared_engine, monkeypatch) -> None:
    from infinity_frames.protocol.errors import RequestRejected

    rest = RestClient(shared_engine.url, shared_engine.token)
    monkeypatch.setattr(rest, "extensions", frozenset())
    with pytest.raises(RequestRejected, match="has no pages"):
        open_pages(rest, browser=False)


@needs_chromium
def test_signed_in_by_browser_and_command(shared_engine, visit) -> None:
    printed = shared_engine.command("open", "--print")
    assert printed.returncode == 0, printed.stderr
    visit.page.goto(printed.stdout.strip())
    visit.page.wait_for_selector("#batches")
    assert visit.page.url == f"{shared_engine.url}/"
    (cookie,) = visit.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    visit.page.click("text=Sign out")
    visit.page.wait_for_selector("text=This browser is signed out.")
    assert visit.context.cookies() == []
