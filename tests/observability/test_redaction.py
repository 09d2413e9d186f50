"""Nothing that lets anybody in, and no prompt, gets through to a log."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.kernel.redaction import GONE, Redactor
from governance.kernel.secrets import generate_key

DATABASE_PASSWORD = "s3cret pass/wörd!"
REDACTOR = Redactor((DATABASE_PASSWORD, "short"))
WORDS = st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=40)
BASE62 = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", min_size=12)
URLSAFE = st.text(
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_", min_size=43, max_size=43
)
SESSIONS = st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=32, max_size=32).filter(
    lambda key: set(key) - set("0123456789abcdef")
)
SECRETS = {
    "an API key": st.builds(generate_key, st.sampled_from(["live", "test"])),
    "a directory's key": URLSAFE.map("lct_scim_{}".format),
    "a Stripe key": st.tuples(
        st.sampled_from(["sk_live_", "sk_test_", "rk_live_", "rk_test_", "pk_live_"]), BASE62
    ).map("".join),
    "a webhook's secret": BASE62.map("whsec_{}".format),
    "a session id": SESSIONS,
    "an e-mail address": st.emails(),
}


@pytest.mark.parametrize("kind", SECRETS)
@given(data=st.data(), before=WORDS, after=WORDS)
def test_a_secret_is_gone_wherever_it_stands_in_a_sentence(kind, data, before, after):
    secret = data.draw(SECRETS[kind])

    told = REDACTOR.text(f"{before} {secret} {after}")

    assert secret not in told


@given(token=st.text(st.characters(categories=["L", "N"], max_codepoint=127), min_size=6))
@pytest.mark.parametrize(
    "shape",
    [
        "Authorization: Bearer {}",
        "{{'Authorization': 'Key {}'}}",
        "(b'authorization', b'Bearer {}')",
        "bearer {}",
        "password={} host=db",
        "DATABASE_URL=postgresql://licet:{}@db:5432/licet",
        "redis://:{}@cache:6379/0",
        "amqp://user:{}@broker/licet",
        '{{"api_key": "{}", "n": 1}}',
        "sessionid={}; csrftoken=x",
        "Cookie: sessionid={}",
        "Stripe-Signature: t=1,v1={}",
        "GET /v1/images/content/{} 200",
        "https://licet.example/login/{}?next=/",
        "/auditor/{}",
        "https://blobs.example/a.png?X-Amz-Signature={}&x=1",
        "https://blobs.example/a.png?sig={}",
        "/accounts/oidc/callback/?code={}&state=b",
    ],
)
def test_a_credential_is_gone_from_each_place_where_one_stands(shape, token):
    secret = f"zq7{token}"

    told = REDACTOR.text(shape.format(secret))

    assert secret not in told
    assert GONE in told


PROMPTS = st.text(min_size=1, max_size=200).filter(lambda text: len(text.strip()) > 3)


@given(prompt=PROMPTS)
@pytest.mark.parametrize("wrap", [str, repr, json.dumps, lambda text: json.dumps(json.dumps(text))])
def test_a_prompt_under_its_name_is_gone_however_it_is_quoted(wrap, prompt):
    marked = f"violet{prompt}heron"

    told = REDACTOR.text(f"command(prompt={wrap(marked)})".replace("\n", " "))

    assert "violet" not in told


@given(prompt=st.text(min_size=20, max_size=300), start=st.integers(0, 280))
@pytest.mark.parametrize("wrap", [str, repr, json.dumps])
def test_no_run_of_a_concealed_prompt_is_left(wrap, prompt, start):
    piece = prompt[start : start + 100]

    told = REDACTOR.text(f"the tokenizer failed at: {wrap(piece)}.", concealed=[prompt])

    runs = {prompt[at : at + 12] for at in range(len(prompt) - 11)}
    assert not any(told[at : at + 12] in runs for at in range(len(told) - 11))


def test_a_short_concealed_prompt_takes_only_itself_out():
    told = REDACTOR.text("cannot read 'fox': foxes are fine", concealed=["fox"])

    assert told == f"cannot read '{GONE}': foxes are fine"


def test_a_secret_of_this_installation_is_gone_without_any_name_beside_it():
    told = REDACTOR.text(f"login as licet with {DATABASE_PASSWORD} refused")

    assert told == f"login as licet with {GONE} refused"


def test_a_secret_of_this_installation_is_gone_also_when_it_looks_like_a_digest():
    redactor = Redactor(("9f86d081884c7d659a2feaa0c55ad015",))

    assert redactor.text("9f86d081884c7d659a2feaa0c55ad015") == GONE


def test_the_row_that_postgresql_refuses_is_not_shown():
    error = (
        'new row for relation "inference_generation" violates check constraint "x"\n'
        "DETAIL:  Failing row contains (0199, a red fox\nin the snow, null).\n"
    )

    told = REDACTOR.text(error)

    assert "violates check constraint" in told
    assert "fox" not in told
    assert "snow" not in told


def test_a_key_that_is_there_already_is_not_shown():
    told = REDACTOR.text("DETAIL:  Key (email)=(jo) already exists.")

    assert "(jo)" not in told


def test_facts_keep_their_shape_and_lose_what_is_secret():
    told = REDACTOR.fact(
        "command",
        {"prompt": "a red fox", "steps": 8, "headers": [("x", "Bearer abcdefgh")], "share": 0.5},
    )

    assert told == {
        "prompt": GONE,
        "steps": 8,
        "headers": [["x", f"Bearer {GONE}"]],
        "share": 0.5,
    }


@pytest.mark.parametrize(
    "harmless",
    [
        "generation 01994c1e-93cf-7a7b-8c0f-3f1e8a4d2b6c succeeded (attempt 1)",
        "request req_01994c1e93cf7a7b8c0f3f1e8a4d2b6c",
        "weights 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "duplicate key value violates unique constraint",
        "key constraint of the ledger; 512 tokens; session is over",
        "supervisor@worker-1: ready",
        "connection to server at 127.0.0.1, port 5432 failed: Connection refused",
    ],
)
def test_what_a_reader_needs_is_left_as_it_is(harmless):
    assert REDACTOR.text(harmless) == harmless
