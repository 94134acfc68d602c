"""A small Kaggle on a loopback port: what the real client asks for, with the answers a test chooses."""

import io
import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class KaggleServer:
    """Use as a context manager; `url` is its address.

    Attributes:
        answers: the last part of a path (`DownloadDataFiles`) -> (status, body) for every call, or a function
            that returns it, or a list with one for each call, the last one for good. A body is bytes or what
            json writes; `Cut(body, announced)` announces more bytes than it sends.
        calls: (last part of the path, content) of everything that was asked; for a file its Range.
        authorization: as it came with the latest call.
    """

    def __init__(self):
        self.answers, self.calls, self.authorization = {}, [], ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        # a client that hangs up is what some tests are about
        self._server.handle_error = lambda *arguments: None
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.answers["IntrospectToken"] = (200, {"active": True, "username": "someone"})

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *exception):
        self._server.shutdown()
        self._server.server_close()

    def asked(self, name: str) -> list:
        return [content for call, content in self.calls if call == name]

    def offers(self, *zips) -> None:
        """Downloads, of competitions and data sets, are sent on to a file, as Kaggle does."""
        address = f"{self.url}/files/archive.zip"
        self.answers["DownloadDataFiles"] = self.answers["DownloadDataset"] = (302, address)
        self.answers["archive.zip"] = [(200, content) for content in zips]

    def takes(self, *states, ref: int = 7) -> None:
        """Submissions are taken; each question for their score gets the next of `states`."""
        self.answers["StartSubmissionUpload"] = (200, {"token": "t", "createUrl": f"{self.url}/put/upload"})
        self.answers["upload"] = (200, {})
        self.answers["CreateSubmission"] = (200, {"message": "Successfully submitted", "ref": ref})
        self.answers["ListSubmissions"] = [(200, {"submissions": list(state)}) for state in states]

    def runs_notebooks(self, *states: str, output=None, log: str = "", version: int = 1) -> None:
        """Notebooks are taken; each question for their state gets the next of `states`; `output`: name -> bytes."""
        self.answers["SaveKernel"] = (200, {"url": f"{self.url}/code", "versionNumber": version})
        self.answers["GetKernelSessionStatus"] = [(200, {"status": state}) for state in states]
        quota = {"timeUsed": "36000s", "totalTimeAllowed": "108000s"}
        self.answers.setdefault("GetAcceleratorQuotaStatistics", (200, {"gpuQuota": quota}))
        self.leaves(output or {}, log)

    def leaves(self, output: dict[str, bytes], log: str = "") -> None:
        """The output of a notebook, in pages of at most 50 files."""
        files = []
        for name, content in output.items():
            files.append({"fileName": name, "url": f"{self.url}/files/out-{len(files)}"})
            self.answers[f"out-{len(files) - 1}"] = (200, content)
        pages = [files[start : start + 50] for start in range(0, len(files), 50)] or [[]]

        def page():
            asked = json.loads(self.asked("ListKernelSessionOutput")[-1])
            number = int(asked.get("pageToken") or 0)
            more = {"nextPageToken": str(number + 1)} if number + 1 < len(pages) else {}
            return 200, {"files": pages[number], "log": log, **more}

        self.answers["ListKernelSessionOutput"] = page

    def next_answer(self, name: str):
        answer = self.answers.get(name, (404, {"code": 404, "message": "Not found"}))
        if isinstance(answer, list):
            return answer.pop(0) if len(answer) > 1 else answer[0]
        return answer() if callable(answer) else answer


class Cut(bytes):
    """The first bytes of a longer answer, whose whole length is announced."""

    def __new__(cls, content: bytes, announced: int):
        made = super().__new__(cls, content)
        made.announced = announced
        return made


def _handler(kaggle: KaggleServer):
    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            name = self.path.rsplit("/", 1)[-1]
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if name == "archive.zip":
                content = self.headers.get("Range", "")
            kaggle.calls.append((name, content))
            kaggle.authorization = self.headers.get("Authorization", "")
            status, body = kaggle.next_answer(name)
            if status == 302:
                self.send_response(302)
                self.send_header("Location", body)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_body(status, body, content if name == "archive.zip" else "")

        def send_body(self, status: int, body, byte_range: str):
            kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            announced = getattr(body, "announced", len(raw))
            if byte_range:
                start = int(byte_range.removeprefix("bytes=").rstrip("-"))
                status, raw, announced = 206, raw[start:], announced - start
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(announced))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", '"one"')
            self.send_header("Last-Modified", "Mon, 01 Oct 2018 00:00:00 GMT")
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *arguments):
            pass

    return Handler


def zip_of(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()
