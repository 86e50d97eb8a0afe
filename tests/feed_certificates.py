"""Certificates of the feed for tests: a folder as Kubernetes mounts a TLS Secret."""

from scaler.pki import issue, make_ca

NAME = "tidegate-feed"


def certificates(folder, ca=None, *, name=NAME):
    """Write a folder with a certificate of `ca` (a new one by default) for both sides; returns the CA."""
    ca = ca or make_ca("feed test CA")
    pair = issue(ca, "feed test", hosts=[name], peer=True)
    folder.mkdir(exist_ok=True)
    for file, content in (("ca.crt", ca.certificate), ("tls.crt", pair.certificate), ("tls.key", pair.key)):
        # As the kubelet swaps them: a reader sees the old file or the new one.
        fresh = folder / f".{file}"
        fresh.write_bytes(content)
        fresh.replace(folder / file)
    return ca
