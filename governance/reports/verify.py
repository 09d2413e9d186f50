#!/usr/bin/env python3
"""Check a compliance bundle or an export of the audit log, trusting nobody: python verify.py BUNDLE

One file, Python 3.9 or newer, standard library only, no network. It checks the Ed25519 signature over
the manifest, the hash of every file, the signed checkpoints, the Merkle proofs of every entry (RFC 6962),
that no entry was left out, and it counts every figure of the report again from the entries.

    --key KEY          the verifier key that you know, instead of the one in the bundle
    --checkpoint FILE  a signed checkpoint that you were sent: the log must still contain it

Exit status: 0 everything holds, 1 something does not, 2 the bundle cannot be read.
"""

import argparse
import base64
import calendar
import hashlib
import json
import sys
import time
import zipfile
import zlib
from pathlib import Path

# What the parts of a bundle raise that is no bundle: not zipped, not JSON, of another shape.
UNREADABLE = (
    OSError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, EOFError,
    RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip

# --- Ed25519 (RFC 8032), verification only -------------------------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


def point_add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_multiply(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = point_add(result, point)
        point, scalar = point_add(point, point), scalar >> 1
    return result


def same_point(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


def recover_x(y, sign):
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return P - x if (x & 1) != sign else x


def decompress(data):
    number = int.from_bytes(data, "little")
    y = number & ((1 << 255) - 1)
    x = recover_x(y, number >> 255)
    return None if x is None else (x, y, 1, x * y % P)


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recover_x(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def ed25519_holds(public, message, signature):
    """Whether ``signature`` (64 bytes) of ``message`` was made with the key of ``public`` (32 bytes)."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, commitment = decompress(public), decompress(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or scalar >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    return same_point(
        point_multiply(scalar, BASE), point_add(commitment, point_multiply(challenge, key))
    )


# --- Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint) ----------------------------


class Wrong(Exception):
    """Something does not hold; the message says what."""


def note_text(note, key):
    """The text of a note that ``key`` (name+keyid+base64) signed."""
    try:
        name, key_id, encoded = key.strip().split("+", 2)
        public = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise Wrong("the verifier key is not name+keyid+base64") from error
    derived = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
    if public[:1] != b"\x01" or derived.hex() != key_id:
        raise Wrong("the verifier key's id does not fit the key")
    text, _, lines = note.rpartition("\n\n")
    for line in lines.splitlines():
        if line.startswith("\u2014 " + name + " "):
            raw = base64.b64decode(line.rpartition(" ")[2])
            if raw[:4] == derived and ed25519_holds(public[1:], (text + "\n").encode(), raw[4:]):
                return text + "\n"
    raise Wrong("the signature of " + name + " does not fit the text")


def checkpoint_of(note, key):
    """(size, root, time) of a signed checkpoint."""
    lines = note_text(note, key).splitlines()
    if len(lines) < 3 or lines[0] != key.split("+")[0]:
        raise Wrong("a checkpoint is of another log than its key")
    moment = lines[3].partition(" ")[2] if len(lines) > 3 else ""
    return int(lines[1]), base64.b64decode(lines[2]), moment


# --- Merkle trees (RFC 6962, 2.1) ----------------------------------------------------------------

SHA256 = hashlib.sha256


def leaf_hash(data):
    return SHA256(b"\x00" + data).digest()


def node_hash(left, right):
    return SHA256(b"\x01" + left + right).digest()


def split(count):
    return 1 << ((count - 1).bit_length() - 1)


def fold(hashes):
    """The root over any number of leaves, left to right, as RFC 6962 splits them."""
    while len(hashes) > 1:
        pairs = [
            SHA256(b"\x01" + hashes[i] + hashes[i + 1]).digest()
            for i in range(0, len(hashes) - 1, 2)
        ]
        if len(hashes) & 1:
            pairs.append(hashes[-1])
        hashes = pairs
    return hashes[0]


def root_from_parts(size, indices, leaves, hashes):
    """The root of a tree of which some leaves are known, and the roots of what lies between."""
    rest = iter(hashes)
    count = len(indices)

    def subtree(begin, end, low, high):
        if low == high:
            try:
                return next(rest)
            except StopIteration:
                raise Wrong("the proof is too short") from None
        if high - low == end - begin:
            return fold(leaves[low:high])
        middle = begin + split(end - begin)
        place = low
        left, right = low, high
        while left < right:
            place = (left + right) // 2
            if indices[place] < middle:
                left = place + 1
            else:
                right = place
        first = subtree(begin, middle, low, left)
        return node_hash(first, subtree(middle, end, left, high))

    if any(b <= a for a, b in zip(indices, indices[1:])) or (count and indices[-1] >= size):
        raise Wrong("the entries are not in the order of the log")
    found = subtree(0, size, 0, count)
    if next(rest, None) is not None:
        raise Wrong("the proof is too long")
    return found


def check_consistency(old, old_root, new, new_root, path):
    """RFC 9162, 2.1.4.2."""
    if old == new and old_root == new_root and not path:
        return
    hashes = list(path) if old & (old - 1) else [old_root, *path]
    if not 0 < old < new or not hashes:
        raise Wrong("the checkpoint of %d leaves is not continued" % old)
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    older = newer = hashes[0]
    for sibling in hashes[1:]:
        if at & 1 or at == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            newer = node_hash(newer, sibling)
        at, last = at >> 1, last >> 1
    if last or older != old_root or newer != new_root:
        raise Wrong("the log does not continue its checkpoint of %d leaves" % old)


# --- Figures: counted from entries alone ---------------------------------------------------------

ENDS = ("succeeded", "blocked", "failed", "cancelled")
MONEY = {
    "credit.granted": "credited_microusd",
    "credit.expired": "expired_microusd",
    "refund.booked": "refunded_microusd",
    "balance.adjusted": "adjusted_microusd",
}
# Where a person opened, changed or overruled what stands otherwise.
ACCESS = ("evidence.", "report.", "auditor_link.", "prompt.unmasked", "person.erased")
OVERRIDES = (
    "balance.adjusted", "policy.activated", "kill_switch.engaged", "kill_switch.released",
    "breach.reinstated", "strike.pardoned", "provenance.switched_off", "provenance.switched_on",
)  # fmt: skip


def row_of(entry):
    """The part of an entry that the figures are counted from, as one counted group."""
    facts = entry["facts"]
    images = facts.get("images")
    images = images if isinstance(images, list) else []
    return {
        "n": 1,
        "act": entry["act"],
        "day": entry["at"][:10],
        "stage": facts.get("stage"),
        "item": facts.get("item") or None,
        "kind": facts.get("kind"),
        "finding": facts.get("finding"),
        "decided": facts.get("decided"),
        "late": facts.get("late"),
        "judged": facts.get("decision") is not None,
        "delivered": number(facts, "delivered"),
        "withheld": number(facts, "withheld"),
        "charged": number(facts, "charged_microusd"),
        "amount": number(facts, "amount_microusd"),
        "waited": number(facts, "waited_s"),
        "longest": number(facts, "waited_s"),
        "used": number(facts, "used"),
        "screened": sum(1 for each in images if each.get("decision")),
        "credentials": sum(1 for each in images if "credentials" in (each.get("provenance") or ())),
        "watermarks": sum(1 for each in images if "watermark" in (each.get("provenance") or ())),
    }


def number(facts, name):
    value = facts.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def no_figures():
    """Every figure at nothing."""
    return {
        "entries": 0,
        "acts": {},
        "days": {},
        "generations": dict.fromkeys(
            ("asked", "filtered_in", "filtered_out", "unfiltered", *ENDS), 0
        ),
        "images": dict.fromkeys(
            ("released", "screened", "unscreened", "withheld", "credentials", "watermarks"), 0
        ),
        "money": {"charged_microusd": 0, **dict.fromkeys(MONEY.values(), 0)},
        "incidents": {},
        "reviews": {"decided": 0, "waited_s": 0, "longest_s": 0, "uphold": 0, "overturn": 0},
        "appeals": {"filed": 0, "upheld": 0, "overturned": 0},
        "removals": {"requested": 0, "removed": 0, "rejected": 0, "late": 0},
        "seats": {"claimed": 0, "released": 0, "peak": 0},
        "access": {},
        "overrides": {},
    }


def add(figures, row):
    """Count one group of entries."""
    act, n = row["act"], row["n"]
    figures["entries"] += n
    figures["acts"][act] = figures["acts"].get(act, 0) + n
    noun, _, verb = act.partition(".")
    if noun == "generation":
        add_generation(figures, row, verb)
    elif verb == "withheld":
        item = figures["incidents"].setdefault(
            row["item"] or "none", {"prompt": 0, "image": 0, "media": 0, "negative_prompt": 0}
        )
        item[noun] = item.get(noun, 0) + n
    elif act == "case.judged":
        add_review(figures, row)
    elif act == "appeal.filed":
        figures["appeals"]["filed"] += n
    elif noun == "removal":
        figures["removals"][verb] = figures["removals"].get(verb, 0) + n
        figures["removals"]["late"] += n if row["late"] == "True" else 0
    elif noun == "seat":
        figures["seats"][verb] = figures["seats"].get(verb, 0) + n
        figures["seats"]["peak"] = max(figures["seats"]["peak"], row["used"])
    if act in MONEY:
        figures["money"][MONEY[act]] += row["amount"]
    if act.startswith(ACCESS):
        figures["access"][act] = figures["access"].get(act, 0) + n
    if act in OVERRIDES:
        figures["overrides"][act] = figures["overrides"].get(act, 0) + n


def add_generation(figures, row, verb):
    """A generation is asked for once: when it is queued, or when its prompt is refused."""
    counts, images, n = figures["generations"], figures["images"], row["n"]
    refused = verb == "blocked" and row["stage"] == "input"
    if verb == "submitted" or refused:
        counts["asked"] += n
        outcome = ("filtered_out" if refused else "filtered_in") if row["judged"] else "unfiltered"
        counts[outcome] += n
        day = figures["days"].setdefault(row["day"], {"asked": 0, "filtered_out": 0})
        day["asked"] += n
        day["filtered_out"] += n if refused else 0
    if verb in ENDS:
        counts[verb] += n
    if verb == "succeeded":
        images["released"] += row["delivered"]
        images["withheld"] += row["withheld"]
        images["screened"] += row["screened"]
        images["unscreened"] += row["delivered"] - row["screened"]
        images["credentials"] += row["credentials"]
        images["watermarks"] += row["watermarks"]
        figures["money"]["charged_microusd"] += row["charged"]


def add_review(figures, row):
    """A case is decided by its last judgement; the time runs from when it was opened."""
    if row["decided"] is not True:
        return
    reviews, n = figures["reviews"], row["n"]
    reviews["decided"] += n
    reviews["waited_s"] += row["waited"]
    reviews["longest_s"] = max(reviews["longest_s"], row["longest"])
    if row["finding"] in ("uphold", "overturn"):
        reviews[row["finding"]] += n
        if row["kind"] == "appeal":
            word = "upheld" if row["finding"] == "uphold" else "overturned"
            figures["appeals"][word] += n


# --- The bundle ----------------------------------------------------------------------------------


class Bundle:
    """The files of a bundle, in a zip or unpacked in a folder."""

    def __init__(self, path):
        self.path = Path(path)
        self.zip = None if self.path.is_dir() else zipfile.ZipFile(self.path)

    def names(self):
        if self.zip:
            return sorted(self.zip.namelist())
        return sorted(
            str(each.relative_to(self.path)) for each in self.path.rglob("*") if each.is_file()
        )

    def open(self, name):
        return self.zip.open(name) if self.zip else (self.path / name).open("rb")

    def read(self, name):
        with self.open(name) as stream:
            return stream.read()

    def json(self, name):
        return json.loads(self.read(name))


def check_manifest(bundle, key):
    """The signature over the manifest, and the manifest's hash of every other file."""
    manifest = bundle.read("manifest.json")
    text = note_text(bundle.read("manifest.note").decode(), key)
    if text != "licet compliance bundle\nsha256 " + SHA256(manifest).hexdigest() + "\n":
        raise Wrong("the signature is of another manifest")
    listed = {each["path"]: each for each in json.loads(manifest)["files"]}
    present = set(bundle.names()) - {"manifest.json", "manifest.note"}
    for name in sorted(present ^ set(listed)):
        raise Wrong(name + (" is not in the manifest" if name in present else " is missing"))
    for name, each in listed.items():
        digest, size = SHA256(), 0
        with bundle.open(name) as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                digest.update(block)
                size += len(block)
        if digest.hexdigest() != each["sha256"] or size != each["bytes"]:
            raise Wrong(name + " was changed")
    return len(listed)


def check_checkpoints(proof, key, saved):
    """Every checkpoint is signed, and each is continued by the one that the entries are proven in."""
    keys = {key, *proof.get("former_keys", [])}
    size, root, _ = signed_by_any(proof["checkpoint"], keys)
    known = {size: root}
    for each in proof["earlier"]:
        old, old_root, _ = signed_by_any(each["checkpoint"], keys)
        path = [base64.b64decode(value) for value in each["consistency"]]
        check_consistency(old, old_root, size, root, path)
        known[old] = old_root
    if saved:
        old, old_root, _ = signed_by_any(saved, keys)
        if old not in known:
            raise Wrong("the bundle has no checkpoint of %d leaves to compare yours with" % old)
        if known[old] != old_root:
            raise Wrong("the log was rewritten: your checkpoint of %d leaves differs" % old)
    return size, root, len(known)


def signed_by_any(note, keys):
    for key in keys:
        if note.splitlines()[0] == key.split("+")[0]:
            try:
                return checkpoint_of(note, key)
            except Wrong:
                continue
    raise Wrong("a checkpoint is signed by none of the known keys")


def check_entries(bundle, proof, size, root, scope):
    """The Merkle proof of all entries together, their order, their gaps, their figures."""
    leaves, figures, indices = [], no_figures(), proof_indices(proof)
    organization, start, end = scope
    ordinal, whole = None, organization is None
    with bundle.open("entries.jsonl") as stream:
        for line in stream:
            data = line.rstrip(b"\n")
            leaves.append(SHA256(b"\x00" + data).digest())
            entry = json.loads(data)
            if not whole:
                if entry["organization"] != organization:
                    raise Wrong("an entry of another organization is in the bundle")
                if ordinal is not None and entry["ordinal"] != ordinal + 1:
                    raise Wrong("entries after number %d were left out" % ordinal)
                ordinal = entry["ordinal"]
            if start <= entry["at"] < end:
                add(figures, row_of(entry))
    if len(leaves) != len(indices):
        raise Wrong("there are %d entries and %d places" % (len(leaves), len(indices)))
    if whole and indices and indices[-1] - indices[0] + 1 != len(indices):
        raise Wrong("entries were left out")
    if leaves:
        hashes = [base64.b64decode(value) for value in proof["hashes"]]
        if root_from_parts(size, indices, leaves, hashes) != root:
            raise Wrong("the entries are not those of the signed log")
    return len(leaves), figures


def proof_indices(proof):
    """The leaves' places, kept as runs [first, count]."""
    return [i for first, count in proof["runs"] for i in range(first, first + count)]


def differences(told, counted, path=""):
    """Every figure that is told otherwise than it was counted."""
    if isinstance(told, dict) and isinstance(counted, dict):
        found = []
        for name in sorted(set(told) | set(counted)):
            found += differences(told.get(name), counted.get(name), path + "/" + name)
        return found
    return [] if told == counted else ["%s: told %r, counted %r" % (path, told, counted)]


def figure_count(value):
    return sum(map(figure_count, value.values())) if isinstance(value, dict) else 1


def verify(path, key=None, saved=None, say=print):
    """Check a bundle; raises Wrong. Returns the figures as they were counted."""
    bundle = Bundle(path)
    given = bundle.read("key.txt").decode().strip()
    if key and key.strip() != given:
        raise Wrong("the bundle names another key than yours")
    say("key        %s%s" % (given, "" if key else "  (from the bundle: compare it with yours)"))
    say("manifest   signed, %d files unchanged" % check_manifest(bundle, given))
    proof, report = bundle.json("proof.json"), bundle.json("report.json")
    size, root, count = check_checkpoints(proof, given, saved)
    say("log        %d leaves, %d signed checkpoints, each continued" % (size, count))
    scope = (report["organization"]["id"], report["period"]["from"], report["period"]["until"])
    entries, figures = check_entries(bundle, proof, size, root, scope)
    say("entries    %d proven to be in the log, none left out" % entries)
    wrong = differences(report["figures"], figures)
    if wrong:
        raise Wrong("%d figures differ:\n  %s" % (len(wrong), "\n  ".join(wrong[:20])))
    say("figures    %d counted again, 0 differences" % figure_count(figures))
    return figures


def verify_export(path, key=None, saved=None, say=print):
    """Check an export of the whole log: every leaf, every checkpoint, times that were dated back."""
    bundle = Bundle(path)
    given = key or bundle.read("key.txt").decode().strip()
    keys = {given, *bundle.json("former_keys.json")}
    notes = bundle.json("checkpoints.json") + ([saved] if saved else [])
    due = {}
    for note in notes:
        size, root, moment = signed_by_any(note, keys)
        if due.setdefault(size, (root, moment))[0] != root:
            raise Wrong("two signed checkpoints of %d leaves differ: the log was rewritten" % size)
    edge, count, ordinals, earliest = [], 0, {}, ""
    with bundle.open("entries.jsonl") as stream:
        for line in stream:
            data = line.rstrip(b"\n")
            entry = json.loads(data)
            organization = entry["organization"]
            if entry["ordinal"] != ordinals.get(organization, 0):
                raise Wrong("leaf %d: its organization's count skips" % count)
            ordinals[organization] = entry["ordinal"] + 1
            if entry["at"] < earliest:
                raise Wrong("leaf %d: dated back to %s" % (count, entry["at"]))
            carry, height = SHA256(b"\x00" + data).digest(), count
            while height & 1:
                carry = SHA256(b"\x01" + edge.pop() + carry).digest()
                height >>= 1
            edge.append(carry)
            count += 1
            if count in due:
                root, moment = due.pop(count)
                found = edge[-1]
                for left in reversed(edge[:-1]):
                    found = node_hash(left, found)
                if found != root:
                    raise Wrong("the first %d leaves are not those that were signed" % count)
                earliest = a_quarter_before(moment)
    if due:
        raise Wrong("the log was signed with %d leaves and has %d" % (max(due), count))
    say("log        %d leaves, %d signed checkpoints, all as signed" % (count, len(notes)))
    return count


def a_quarter_before(moment):
    """15 minutes, the longest that a transaction may take, before an RFC 3339 time."""
    seconds = calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ")) - 900
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", help="the zip, or the folder that it was unpacked to")
    parser.add_argument(
        "--key", help="the verifier key that you know: name+keyid+base64, or a file"
    )
    parser.add_argument("--checkpoint", help="a file with a signed checkpoint that you kept")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        key = given.key
        if key and Path(key).is_file():
            key = Path(key).read_text(encoding="utf-8")
        saved = Path(given.checkpoint).read_text(encoding="utf-8") if given.checkpoint else None
        export = "checkpoints.json" in Bundle(given.bundle).names()
        (verify_export if export else verify)(given.bundle, key, saved)
    except Wrong as error:
        print("DOES NOT HOLD: %s" % error)
        return 1
    except UNREADABLE as error:
        print("cannot be read: %s: %s" % (type(error).__name__, error))
        return 2
    print("HOLDS: everything was checked in %.1f s." % (time.monotonic() - began))
    return 0


if __name__ == "__main__":
    sys.exit(main())
