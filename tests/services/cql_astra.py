#!/usr/bin/env bash
# cql_astra - a secure-connect bundle, against a metadata service and an SNI proxy of our own.
"exec" "${PYTHON:?}" "$0" "$@"
import json, os, ssl, subprocess, sys

if "RAUDAL_CASSANDRA_TLS" not in os.environ:
    print("no Cassandra with TLS runs")
    sys.exit(77)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "astra"))
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster
from fixture import Metadata, Proxy, bundle

host, port = os.environ["RAUDAL_CASSANDRA_TLS"].split(":")
tls = os.environ["RAUDAL_CASSANDRA_TLS_DIR"]
user, password = os.environ["RAUDAL_CASSANDRA_TLS_USER"], os.environ["RAUDAL_CASSANDRA_TLS_PASSWORD"]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.load_verify_locations(f"{tls}/ca.pem")
context.check_hostname = False
cluster = Cluster([host], port=int(port), ssl_context=context, auth_provider=PlainTextAuthProvider(user, password))
session = cluster.connect()
local = session.execute("SELECT host_id, data_center FROM system.local").one()
session.execute("CREATE ROLE IF NOT EXISTS \"token\" WITH PASSWORD = 'AstraCS:abc' AND LOGIN = true AND SUPERUSER = true")

host_id = str(local.host_id)
proxy = Proxy({host_id: (host, int(port))})
stranger = "00000000-0000-0000-0000-000000000000"
def contact(points, centre=local.data_center, **more):
    return json.dumps({"version": 1, "region": "here", "contact_info": {
        "type": "sni_proxy", "local_dc": centre, "contact_points": points,
        "sni_proxy_address": f"localhost:{proxy.port}", **more}}).encode()
metadata = Metadata(tls, contact([host_id]))
bundle("good.zip", tls, metadata.port)
bundle("stranger.zip", tls, metadata.port, cert="stranger")
with open("good.zip", "rb") as f:
    whole = f.read()
with open("cut.zip", "wb") as f:
    f.write(whole[:-30])
node = os.path.join(os.environ["BUILD"], "tests/services/cql_node")
passed = failed = 0

def case(what, zip_file, said=None, *arguments):
    global passed, failed
    run = subprocess.run([node, f"bundle={zip_file}", *arguments], capture_output=True, text=True, timeout=120)
    text = run.stdout + run.stderr
    if (run.returncode == 0) == (said is None) and (said is None or said in text):
        passed += 1
    else:
        failed += 1
        print(f"not ok - {what}: status {run.returncode}, {text}")

token = ("user=token", "password=AstraCS:abc")
case("all that a session does, through the proxy", "good.zip", None, *token)
if proxy.seen and set(proxy.seen) == {host_id}:
    passed += 1
else:
    failed += 1
    print("not ok - each handshake names the host id:", proxy.seen[:5])
metadata.chunked = True
case("an answer in chunks", "good.zip", None, "open=1", *token)
metadata.chunked = False
metadata.answer = contact([stranger, host_id])
case("a node that the proxy does not know is passed over", "good.zip", None, "open=1", *token)
metadata.answer = contact([stranger])
case("only such nodes", "good.zip", "could not", "open=1", *token)
metadata.answer = contact([host_id], centre="mars")
case("another datacentre", "good.zip", 'datacentre "mars"', "open=1", *token)
metadata.answer = contact([host_id])
case("a wrong token", "good.zip", "could not log in", "open=1", "user=token", "password=no")
case("no token", "good.zip", "asks for a user and a password", "open=1")
case("another CA and certificate", "stranger.zip", "metadata service", "open=1", *token)
case("a bundle that is cut", "cut.zip", "could not read a zip archive", "open=1", *token)
case("no bundle", "none.zip", "none.zip", "open=1", *token)
metadata.status = 503
case("a service that is down", "good.zip", "status of HTTP is 503", "open=1", *token)
metadata.status, metadata.answer = 200, b"<html>"
case("an answer that is no JSON", "good.zip", "no JSON object", "open=1", *token)
metadata.answer = b'{"contact_info": {"type": "other"}}'
case("an answer without a proxy", "good.zip", "names no SNI proxy", "open=1", *token)
session.execute('DROP ROLE "token"')
cluster.shutdown()
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
