"""A publisher of XEP-0485 in nothing but Python, for the test of the suite. With an argument it has that fault.

It asks each peer once a second, publishes what has changed, and is as strict as the XEP.
"""
import hashlib, itertools, json, os, re, signal, socket, sys, threading, time

FAULT = sys.argv[1] if len(sys.argv) > 1 else ""
FEATURE = "<feature var='urn:xmpp:serverinfo:0'/>"
env = os.environ
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

host, port = env["XMPP_COMPONENT_ADDR"].rsplit(":", 1)
sock = socket.create_connection((host, int(port)))
buffer = ""


def read_until(pattern):
    """Read up to what the pattern matches, and return the match."""
    global buffer
    while True:
        found = re.search(pattern, buffer, re.S)
        if found:
            buffer = buffer[found.end():]
            return found
        data = sock.recv(65536)
        if not data:
            sys.exit("the stream has ended")
        buffer += data.decode()


def send(text):
    sock.sendall(text.encode())


send("<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='%s'>" % env["XMPP_COMPONENT"])
stream = read_until(r"<stream:stream[^>]*\bid='([^']*)'[^>]*>").group(1)
send("<handshake>%s</handshake>" % hashlib.sha1((stream + env["XMPP_SECRET"]).encode()).hexdigest())
read_until(r"<handshake/>")

replies, arrived = {}, threading.Condition()


def listen():
    while True:
        stanza = read_until(r"<(iq|message|presence)\b([^>]*)(/>|>.*?</\1>)")
        attrs = dict(re.findall(r"(\w+)='([^']*)'", stanza.group(2)))
        with arrived:
            replies[attrs.get("id")] = (attrs, stanza.group(3))
            arrived.notify_all()


threading.Thread(target=listen, daemon=True).start()
ids = itertools.count()


def ask(kind, to, payload, patience=1.0):
    """Return the type, the sender and the content of the answer, or nothing where none comes."""
    number = "q%d" % next(ids)
    send("<iq type='%s' id='%s' from='%s' to='%s'>%s</iq>" % (kind, number, env["XMPP_COMPONENT"], to, payload))
    with arrived:
        if arrived.wait_for(lambda: number in replies, patience):
            attrs, content = replies.pop(number)
            return attrs.get("type"), attrs.get("from"), content
    return "", "", ""


def consents(domain):
    if FAULT == "names-everybody":
        return True
    kind, sender, content = ask("get", domain, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
    return kind == "result" and sender == domain and re.match(r">\s*<query xmlns='http://jabber.org/protocol/disco#info'", content) is not None \
        and FEATURE in content


connections = []


def follow():
    global connections
    for line in sys.stdin:
        connections = json.loads(line)["connections"]
    os._exit(0)


threading.Thread(target=follow, daemon=True).start()
service, node = env["XMPP_SERVICE"], env["XMPP_NODE"]


def field(name, value):
    return "<field var='%s'><value>%s</value></field>" % (name, value)


ask("set", service, "<pubsub xmlns='http://jabber.org/protocol/pubsub'><create node='%s'/><configure><x xmlns='jabber:x:data' type='submit'>" % node
    + field("FORM_TYPE", "http://jabber.org/protocol/pubsub#node_config") + field("pubsub#max_items", "1")
    + field("pubsub#persist_items", "1") + field("pubsub#access_model", "open") + "</x></configure></pubsub>")



def compose(peers, named, with_connections):
    lines = []
    for domain, directions in peers.items():
        if named[domain]:
            streams = "".join("<connection type='%s'/>" % ("both" if FAULT == "both" else d) for d in sorted(directions) if d)
            lines.append("<remote-domain name='%s'>%s</remote-domain>" % (domain, streams if with_connections else ""))
        else:
            lines.append("<remote-domain/>")
    return "<serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='%s'><federation>%s</federation></domain></serverinfo>" % (
        env["XMPP_DOMAIN"], "".join(sorted(lines)))


last = None
while True:
    peers = {}
    for c in list(connections):
        peers.setdefault(c["remote"], set()).add(c.get("direction", ""))
    named = {domain: consents(domain) for domain in sorted(peers)}
    payload = compose(peers, named, True)
    if len(payload) > 240000:
        payload = compose(peers, named, False)
    if payload != last and ask("set", service, "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='%s'><item id='current'>%s</item>"
                               "</publish></pubsub>" % (node, payload))[0] == "result":
        last = payload
    time.sleep(1)
