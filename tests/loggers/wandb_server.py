"""A loopback stand-in for a W&B server: enough of its protocol for wandb 0.31 online and for `wandb sync`.

It proves what the client sends, nothing about the real service. `WandbServer.fault` makes it answer 500 or
429, be slow, or drop connections.
"""

import base64
import gzip
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.gate import until


def encode(text):
    return base64.b64encode(text.encode()).decode()


class WandbServer(ThreadingHTTPServer):
    """Serves on a free port of 127.0.0.1 until closed; keeps what it was told."""

    daemon_threads = True

    def __init__(self, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.runs, self.views, self.artifacts, self.unknown = {}, {}, {}, []
        self.fault, self.faults = None, 0  # None, "500", "429", "drop" or "slow", and how often it struck
        self.requests, self.hung = (
            0,
            False,
        )  # how many there were; whether one has waited until it was given up
        self.contents = {}  # of runs' files, by run and name
        self.lock = threading.RLock()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def close(self):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """A client that goes away is part of the tests."""

    def run(self, entity, project, name):
        empty = {"entity": entity, "project": project, "name": name, "displayName": name, "group": None}
        empty |= {"jobType": None, "tags": [], "notes": None, "config": {}, "summary": {}, "history": []}
        return self.runs.setdefault(name, {**empty, "files": [], "exitcode": None, "starts": 0})

    def named(self, shown):
        """The one run that is shown under a name."""
        (run,) = [run for run in self.runs.values() if run["displayName"] == shown]
        return run

    def bucket(self, run):
        project = {"id": "1", "name": run["project"], "entity": {"id": "1", "name": run["entity"]}}
        keys = ("name", "displayName", "tags", "notes", "group", "jobType")
        return {
            **{key: run[key] for key in keys},
            **{"id": encode(f"Run:v1:{run['name']}:{run['project']}:{run['entity']}"), "project": project},
            **{"config": json.dumps(run["config"]), "summaryMetrics": json.dumps(run["summary"])},
            **{
                "historyLineCount": len(run["history"]),
                "eventsLineCount": 0,
                "logLineCount": 0,
                "fileCount": 0,
            },
            **{
                "historyTail": json.dumps([json.dumps(row) for row in run["history"][-1:]]),
                "eventsTail": "[]",
            },
            **{
                "sweepName": None,
                "projectId": "1",
                "state": {None: "running", 0: "finished"}.get(run["exitcode"], "failed"),
                "stopped": False,
                "shouldStop": False,
            },
            **{"createdAt": "2026-01-01T00:00:00Z", "heartbeatAt": "2026-01-01T00:00:00Z", "description": ""},
            **{"wandbConfig": json.dumps(run["config"].get("_wandb", {}).get("value"))},
        }

    def answer(self, operation, query, v):
        """Answer one GraphQL operation; None if it is not known, which the client tolerates."""
        entity = v.get("entity") or v.get("entityName") or "lab"
        project = v.get("project") or v.get("projectName") or v.get("model") or "uncategorized"
        name = v.get("run") or v.get("runName") or v.get("name") or v.get("bucket") or v.get("id")
        given = v.get("input") or {}
        artifact = v.get("artifactID") or given.get("artifactID")
        if "upsertBucket" in query:
            run = self.run(entity, project, name)
            run["starts"] += 1
            for source, key in (
                ("displayName", None),
                ("tags", None),
                ("groupName", "group"),
                ("jobType", None),
            ):
                if v.get(source) is not None:
                    run[key or source] = v[source]
            run["notes"] = v.get("notes") or run["notes"]
            run["config"] = json.loads(v["config"]) if v.get("config") else run["config"]
            run["summary"] = json.loads(v["summaryMetrics"]) if v.get("summaryMetrics") else run["summary"]
            return {"upsertBucket": {"bucket": self.bucket(run), "inserted": run["starts"] == 1}}
        if operation == "Run":
            extra = {"readOnly": False, "systemMetrics": "{}", "commit": None, "historyKeys": None}
            user = {"name": "lab", "username": "lab"}
            run = {**self.bucket(self.runs[name]), **extra, "user": user} if name in self.runs else None
            return {"project": {"internalId": "1", "run": run}}
        if operation == "RunResumeStatus":
            run = self.runs.get(name)
            home = {"id": "1", "name": project, "entity": {"id": "1", "name": entity}}
            return {"model": {**home, "bucket": self.bucket(run) if run else None}}
        if operation == "CreateRunFiles":
            files = [{"name": f, "uploadUrl": f"{self.url}/put/{name}/{f}"} for f in v.get("files", [])]
            return {"createRunFiles": {"runID": name, "uploadHeaders": [], "files": files}}
        if "viewer" in query:
            edges = {"edges": [{"node": {"id": "1", "name": "lab"}}]}
            viewer = {
                "id": "1",
                "entity": "lab",
                "username": "lab",
                "name": "lab",
                "email": "",
                "flags": "{}",
            }
            return {"viewer": {**viewer, "admin": False, "teams": edges, "apiKeys": {"edges": []}}}
        if operation == "ArtifactType":
            return {"project": {"artifact": None}}
        if operation == "CreateArtifact":
            new = f"a{len(self.artifacts) + 1}"
            self.artifacts[new] = {**given, "state": "PENDING"}
            return {
                "createArtifact": {
                    "artifact": {"id": new, "state": "PENDING", "artifactSequence": {"latestArtifact": None}}
                }
            }
        if operation in ("CreateArtifactManifest", "UpdateArtifactManifest"):
            file = {"id": "1", "name": "wandb_manifest.json", "displayName": "wandb_manifest.json"}
            file |= {"uploadUrl": f"{self.url}/put/artifact/wandb_manifest.json", "uploadHeaders": []}
            return {operation[0].lower() + operation[1:]: {"artifactManifest": {"id": "1", "file": file}}}
        if operation == "CreateArtifactFiles":
            nodes = []
            for file in given.get("artifactFiles") or v.get("artifactFiles"):
                url = f"{self.url}/put/{file['artifactID']}/{file['name']}"
                node = {
                    "id": file["name"],
                    "name": file["name"],
                    "displayName": file["name"],
                    "uploadUrl": url,
                }
                node |= {"uploadHeaders": [], "storagePath": file["name"], "uploadMultipartUrls": None}
                nodes.append({"node": {**node, "artifact": {"id": file["artifactID"]}}})
            return {"createArtifactFiles": {"files": {"edges": nodes}}}
        if operation == "CommitArtifact":
            self.artifacts[artifact]["state"] = "COMMITTED"
            return {"commitArtifact": {"artifact": {"id": artifact, "digest": "x"}}}
        if operation.lower().startswith("upsertview"):
            self.views[v.get("displayName")] = v
            view = {"id": encode("View:1"), "name": v.get("name"), "displayName": v.get("displayName")}
            view |= {
                "type": v.get("type"),
                "description": "",
                "spec": v.get("spec"),
                "updatedAt": "2026-01-01T00:00:00Z",
            }
            view["project"] = {"id": "1", "name": project, "entityName": entity}
            return {"upsertView": {"view": view, "inserted": True}}
        if operation == "ProjectInternalId":
            return {"project": {"id": "1", "internalId": "1"}}
        if operation == "RunStoppedStatus":
            return {"project": {"run": {"stopped": False}}}
        if re.search(r"__(type|schema)\b", query):
            nothing = {"name": "x", "fields": [], "inputFields": []}
            return dict.fromkeys(re.findall(r"(\w+)\s*:\s*__type", query) or ["__type"], nothing)
        if "serverInfo" in query:
            return {"serverInfo": {"cliVersionInfo": {"max_cli_version": "99.0.0"}, "features": []}}
        self.unknown.append(operation)
        return None

    def stream(self, run, content):
        """Take in one request of the stream of a run's history, summary and end."""
        for name, block in (content.get("files") or {}).items():
            lines, offset = block.get("content", []), block.get("offset", 0)
            if name == "wandb-history.jsonl":
                run["history"][offset:] = [json.loads(line) for line in lines]
            elif name == "wandb-summary.json":
                run["summary"] = json.loads(lines[-1])
        if content.get("complete"):
            run["exitcode"] = content.get("exitcode")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WandbServer

    def log_message(self, *arguments):
        pass

    def body(self):
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length) if length else b""
        if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                raw += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        return gzip.decompress(raw) if self.headers.get("Content-Encoding") == "gzip" else raw

    def reply(self, code, content):
        out = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(out)))
        if code == 429:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(out)

    def faulty(self):
        fault = self.server.fault
        self.server.requests += 1
        if fault is None:
            return False
        self.server.faults += 1
        if fault == "drop":
            self.close_connection = True
            self.connection.close()
        elif fault == "slow":
            try:
                until(lambda: self.server.fault != "slow")
            except AssertionError:  # a client has waited for it
                self.server.hung = True
            return False
        else:
            self.reply(int(fault), {"error": "injected"})
        return True

    def do_POST(self):
        raw = self.body()
        if self.faulty():
            return
        stream = re.match(r"/files/([^/]+)/([^/]+)/([^/]+)/file_stream$", self.path)
        with self.server.lock:
            if self.path.endswith("/graphql"):
                request = json.loads(raw)
                query = request.get("query", "")
                name = re.search(r"(?:query|mutation)\s+(\w+)", query)
                operation = request.get("operationName") or (name[1] if name else "?")
                data = self.server.answer(operation, query, request.get("variables") or {})
                known = (
                    {"data": data} if data is not None else {"data": {}, "errors": [{"message": operation}]}
                )
                return self.reply(200, known)
            if stream:
                self.server.stream(self.server.run(*stream.groups()), json.loads(raw or b"{}"))
                return self.reply(200, {"limits": {}})
        self.reply(200, {})

    def do_PUT(self):
        body = self.body()
        if self.faulty():
            return
        _, _, owner, *file = self.path.split("?")[0].split("/")
        if owner in self.server.runs:
            self.server.runs[owner]["files"].append("/".join(file))
            self.server.contents[owner, "/".join(file)] = body
        self.reply(200, {})

    def do_GET(self):
        if not self.faulty():
            self.reply(200, {})

    do_HEAD = do_GET
