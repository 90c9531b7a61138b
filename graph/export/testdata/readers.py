"""Reads an exported network with an independent reader and prints what it has understood.

usage: readers.py READER FILE

The output is {"nodes": {key: {attribute: text}}, "edges": [[key, key, {attribute: text}]]}; every value is text,
numbers and booleans in the way of JSON.
"""

import csv
import json
import os
import subprocess
import sys
import warnings


def text(v):
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, float) and v == int(v):
        return str(int(v))
    return str(v)


def clean(attrs):
    """Drops what readers put in for a missing value, such as NaN."""
    return {k: text(v) for k, v in attrs.items() if v is not None and v == v and not isinstance(v, (dict, list))}


def from_networkx(g):
    assert not g.is_directed() and not g.is_multigraph(), type(g)
    nodes = {}
    for n, a in g.nodes(data=True):
        a = dict(a)
        place = a.get("viz", {}).get("position") or a.get("graphics")
        if place:
            a["x"], a["y"] = place["x"], place["y"]
        nodes[str(n)] = clean(a)
    return nodes, [[str(a), str(b), clean(d)] for a, b, d in g.edges(data=True)]


def from_igraph(g, key):
    assert not g.is_directed()
    nodes = {v[key]: clean(v.attributes()) for v in g.vs}
    return nodes, [[g.vs[e.source][key], g.vs[e.target][key], clean(e.attributes())] for e in g.es]


def networkx_gexf(path):
    import networkx.readwrite.gexf as gexf

    # networkx 2 knows versions up to 1.2, and 3 the very namespace of ours; 1.3 changed nothing that is used here.
    if not any("http://gexf.net/1.3" in str(v) for v in gexf.GEXF.versions.values()):
        ns = dict(gexf.GEXF.versions["1.2draft"])
        ns.update(NS_GEXF="http://gexf.net/1.3", NS_VIZ="http://gexf.net/1.3/viz", VERSION="1.3")
        gexf.GEXF.versions["1.3"] = ns
    return from_networkx(gexf.read_gexf(path))


def networkx_graphml(path):
    import networkx as nx

    return from_networkx(nx.read_graphml(path))


def networkx_gml(path):
    import networkx as nx

    return from_networkx(nx.read_gml(path))


def networkx_nodelink(path):
    import networkx as nx

    with open(path, encoding="utf-8") as f:
        data = json.load(f)
    try:
        return from_networkx(nx.node_link_graph(data, edges="edges"))
    except TypeError:
        return from_networkx(nx.node_link_graph(data, link="edges"))


def networkx_cytoscape(path):
    import networkx as nx

    with open(path, encoding="utf-8") as f:
        return from_networkx(nx.cytoscape_graph(json.load(f)))


def networkx_pajek(path):
    import networkx as nx

    g = nx.read_pajek(path)
    return from_networkx(nx.Graph(g))


def igraph_graphml(path):
    import igraph

    return from_igraph(igraph.Graph.Read_GraphML(path), "id")


def igraph_gml(path):
    import igraph

    return from_igraph(igraph.Graph.Read_GML(path), "label")


def igraph_pajek(path):
    import igraph

    g = igraph.Graph.Read_Pajek(path)
    return from_igraph(g, "id" if "id" in g.vs.attributes() else "name")


def graphviz_dot(path):
    out = subprocess.run(["dot", "-Tdot_json", path], check=True, capture_output=True).stdout
    g = json.loads(out)
    assert not g["directed"]
    own = lambda o: {k: text(v) for k, v in o.items() if k not in ("_gvid", "name", "tail", "head")}
    names = {o["_gvid"]: o["name"] for o in g.get("objects", [])}
    nodes = {o["name"]: own(o) for o in g.get("objects", [])}
    return nodes, [[names[e["tail"]], names[e["head"]], own(e)] for e in g.get("edges", [])]


def python_csv(path):
    """Reads the table of nodes, and that of edges beside it."""
    with open(path, encoding="utf-8", newline="") as f:
        nodes = {r.pop("Id"): {k.lower() if k == "Label" else k: v for k, v in r.items() if v != ""} for r in csv.DictReader(f)}
    with open(os.path.join(os.path.dirname(path), "csv-edges"), encoding="utf-8", newline="") as f:
        edges = []
        for r in csv.DictReader(f):
            a, b = r.pop("Source"), r.pop("Target")
            assert r.pop("Type") == "Undirected"
            edges.append([a, b, {k: v for k, v in r.items() if v != ""}])
    return nodes, edges


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    nodes, edges = globals()[sys.argv[1]](sys.argv[2])
    json.dump({"nodes": nodes, "edges": edges}, sys.stdout)
