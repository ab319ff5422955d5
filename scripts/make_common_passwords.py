"""Make `signin/common_passwords.bin` from lists of breached passwords.

    python scripts/make_common_passwords.py LIST...

A list has one password per line, plain or gzipped. Ours comes from the 30,000 passwords of zxcvbn 4.5.0 (MIT) and the
20,000 of Django 5.2's `common-passwords.txt.gz` (BSD), which their authors took from published breaches. The file has
five bytes of each password's hash, sorted: so one in twenty million other passwords is also refused.
"""

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path

from tokenharbor.signin.common_passwords import FILE, digest, normalise


def read_list(path: Path) -> Iterator[str]:
    raw = path.read_bytes()
    text = gzip.decompress(raw) if path.suffix == ".gz" else raw
    yield from (line.strip() for line in text.decode("utf-8").splitlines())


def main() -> None:
    found = {normalise(password) for name in sys.argv[1:] for password in read_list(Path(name)) if password}
    digests = sorted({digest(password) for password in found})
    FILE.write_bytes(b"".join(digests))
    print(f"{len(digests)} passwords, {FILE.stat().st_size} bytes: {FILE.name}")


if __name__ == "__main__":
    main()
