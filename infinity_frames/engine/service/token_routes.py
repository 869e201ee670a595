"""The endpoints that list, create and revoke tokens, and create sign-in codes."""

from __future__ import annotations

from fastapi import APIRouter, Response

from infinity_frames.engine.service import ledger, openapi, requests, sign_in
from infinity_frames.engine.service.dependencies import AccountId, Engine, RawBody, TokenText
from infinity_frames.engine.service.responses import json_response
from infinity_frames.protocol.errors import EngineError, NotFound, RequestRejected

__all__ = ["router"]

_MAX_NAME = 200
router = APIRouter(prefix="/api", responses=openapi.REFUSALS, tags=["account"])


@router.get("/tokens/", response_model=list[openapi.TokenListed])
def list_tokens(service: Engine, account: AccountId) -> Response:
    """List the tokens of this account, never the tokens themselves; the engine's own sees all."""
    with service.store.read() as connection:
        chosen = None if ledger.is_own_account(connection, account) else account
        return json_response(ledger.list_tokens(connection, chosen))


@router.post(
    "/tokens/",
    status_code=201,
    response_model=openapi.TokenCreated,
    openapi_extra=openapi.request_body(openapi.TokenRequest),
)
def create_token(service: Engine, account: AccountId, body: RawBody) -> Response:
    """Create a token, which the response shows once; only the engine's own token may do so."""
    request = requests.parse(body)
    name, samples = request.get("account"), request.get("samples")
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME or "\0" in name:
        raise _invalid("account", f"a name of 1 to {_MAX_NAME} characters")
    if samples is not None and (type(samples) is not int or not 0 <= samples <= ledger.MAX_GRANT):
        raise _invalid("samples", f"a whole number from 0 to {ledger.MAX_GRANT}")
    with service.store.write() as connection:
        if not ledger.is_own_account(connection, account):
            raise RequestRejected(
                "Only the engine's own token may create tokens.",
                advice="Use `infinity-frames token` on the engine's machine.",
                status=403,
            )
        try:
            token = ledger.new_token(connection, name, samples)
        except EngineError as error:
            raise RequestRejected(error.problem, advice=error.advice, status=400) from None
    return json_response({"account": name, "token": token}, 201)


@router.delete("/tokens/{token_id}/", response_model=openapi.TokenListed)
def revoke_token(token_id: str, service: Engine, account: AccountId) -> Response:
    """Revoke a token of this account; the engine's own token may revoke any."""
    with service.store.write() as connection:
        chosen = None if ledger.is_own_account(connection, account) else account
        revoked = ledger.revoke_token(connection, token_id, chosen)
    if revoked is None:
        raise NotFound(
            f"Unknown token id {token_id[:80]!r}.", advice="GET /api/tokens/ lists the tokens."
        )
    service.forget_tokens()
    return json_response(revoked)


@router.post("/sessions/", status_code=201, response_model=openapi.SignInCode)
def create_sign_in_code(service: Engine, token: TokenText) -> Response:
    """Create a one-time code; `path`, opened in a browser, signs it in to the engine's pages."""
    with service.store.write() as connection:
        code = sign_in.new_code(connection, token)
    path = f"/sign-in/?code={code}"
    return json_response({"path": path, "expires_in": sign_in.CODE_LIFETIME_S}, 201)


def _invalid(field: str, expected: str) -> RequestRejected:
    return RequestRejected(
        f"{field} must be {expected}.", advice="/docs describes every request body.", status=400
    )
