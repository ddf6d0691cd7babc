"""A small Debian mirror on this machine: signed lists and packages over HTTP."""

import hashlib
import subprocess
import threading
import time
from datetime import datetime, timedelta, timezone
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from kernels_fakes import make_deb


class SigningKey:
    """An OpenPGP key made for one test run."""

    def __init__(self, folder: Path):
        self.home = folder / "gnupg"
        self.home.mkdir(mode=0o700)
        self.keyring = folder / "key.gpg"
        self._gpg("--quick-generate-key", "Test Mirror <mirror@localhost>", "ed25519", "sign")
        self.keyring.write_bytes(self._gpg("--export"))

    def clearsign(self, text: str) -> bytes:
        return self._gpg("--clearsign", given=text.encode())

    def close(self):
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=True)

    def _gpg(self, *arguments, given=b""):
        command = ["gpg", "--homedir", str(self.home), "--batch", "--passphrase", "", *arguments]
        return subprocess.run(command, input=given, check=True, capture_output=True).stdout


class Mirror:
    """Serves one directory; counts requests, and can be slow.

    Parameters
    ----------
    folder : Path
        Empty.
    key : SigningKey
        What the lists are signed with.
    """

    def __init__(self, folder: Path, key: SigningKey):
        self.folder = folder
        self.key = key
        self.requests = []
        self.bytes_a_second = 0
        handler = partial(_Handler, self, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def uri(self):
        return f"http://127.0.0.1:{self._server.server_port}/"

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def put(self, suite, packages, valid_days=7, key=None, arch="amd64"):
        """Publish a suite: `packages` are (name, version, files, fields)."""
        stanzas = []
        for name, version, files, fields in packages:
            source = fields.pop("_pool", "linux-signed-amd64")
            pool = self.folder / "pool/main/l" / source
            pool.mkdir(parents=True, exist_ok=True)
            deb = make_deb(pool, name, version, files, arch, **fields)
            stanzas.append(_stanza(deb, deb.relative_to(self.folder), name, version, fields, arch))
        lists = self.folder / "dists" / suite / "main" / f"binary-{arch}"
        lists.mkdir(parents=True, exist_ok=True)
        (lists / "Packages").write_text("\n".join(stanzas))
        release = _release(suite, lists / "Packages", valid_days, arch)
        (self.folder / "dists" / suite / "InRelease").write_bytes(
            (key or self.key).clearsign(release)
        )

    def fetched(self, ending):
        return [path for path in self.requests if path.endswith(ending)]


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, mirror, *arguments, **options):
        self.mirror = mirror
        super().__init__(*arguments, **options)

    def do_GET(self):
        self.mirror.requests.append(self.path)
        super().do_GET()

    def copyfile(self, source, outputfile):
        if not (self.mirror.bytes_a_second and self.path.endswith(".deb")):
            return super().copyfile(source, outputfile)
        while chunk := source.read(max(self.mirror.bytes_a_second // 20, 1)):
            outputfile.write(chunk)
            outputfile.flush()
            time.sleep(0.05)
        return None

    def log_message(self, *arguments):
        pass


def _stanza(deb, filename, name, version, fields, arch):
    content = deb.read_bytes()
    lines = {
        "Package": name,
        "Version": version,
        "Architecture": arch,
        **{key.replace("_", "-"): value for key, value in fields.items()},
        "Filename": filename,
        "Size": len(content),
        "SHA256": hashlib.sha256(content).hexdigest(),
    }
    return "".join(f"{key}: {value}\n" for key, value in lines.items())


def _release(suite, packages, valid_days, arch):
    content = packages.read_bytes()
    now = datetime.now(tz=timezone.utc)
    form = "%a, %d %b %Y %H:%M:%S UTC"
    return (
        f"Origin: Test\nSuite: {suite}\nCodename: {suite}\nArchitectures: {arch}\n"
        f"Components: main\nDate: {(now - timedelta(days=30)).strftime(form)}\n"
        f"Valid-Until: {(now + timedelta(days=valid_days)).strftime(form)}\nSHA256:\n"
        f" {hashlib.sha256(content).hexdigest()} {len(content)} main/binary-{arch}/Packages\n"
    )
