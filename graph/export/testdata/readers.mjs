// Reads an exported network with an independent reader and prints what it has understood; see readers.py.
//
// usage: node readers.mjs MODULES READER FILE

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules, reader, file] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(modules), "package.json"));
const source = readFileSync(file, "utf8");

const text = (v) => (typeof v === "string" ? v : JSON.stringify(v));
const clean = (attributes) =>
  Object.fromEntries(
    Object.entries(attributes)
      .filter(([, v]) => v !== undefined && v !== null && typeof v !== "object")
      .map(([k, v]) => [k, text(v)]),
  );

function fromGraphology(g) {
  const nodes = new Map();
  g.forEachNode((n, a) => nodes.set(n, clean(a)));
  const edges = g.mapEdges((_e, a, s, t) => [s, t, clean(a)]);
  if (g.directedSize !== 0) throw new Error("directed");
  return { nodes, edges };
}

const readers = {
  graphology() {
    const Graph = require("graphology");
    return fromGraphology(Graph.from(JSON.parse(source)));
  },
  gexf() {
    const gexf = require("graphology-gexf");
    const Graph = require("graphology");
    return fromGraphology(gexf.parse(Graph.UndirectedGraph, source));
  },
  graphml() {
    const graphml = require("graphology-graphml");
    const Graph = require("graphology");
    return fromGraphology(graphml.parse(Graph.UndirectedGraph, source));
  },
  // What force-graph does with its data: nodes by id, and links that throw where one is missing.
  async d3() {
    const { forceSimulation, forceLink } = await import(pathToFileURL(require.resolve("d3-force")).href);
    const data = JSON.parse(source);
    const nodes = new Map(data.nodes.map((n) => [n.id, clean(n)]));
    const link = forceLink(data.links).id((n) => n.id);
    forceSimulation(data.nodes).force("link", link).stop();
    const edges = link.links().map(({ source, target, index, ...rest }) => [source.id, target.id, clean(rest)]);
    return { nodes, edges };
  },
  // The data sets of vis-network throw where an id is there twice.
  vis() {
    const { DataSet } = require("vis-data");
    const data = JSON.parse(source);
    const nodes = new Map(new DataSet(data.nodes).map((n) => [n.id, clean(n)]));
    const edges = new DataSet(data.edges).map(({ id, from, to, ...rest }) => [from, to, clean(rest)]);
    return { nodes, edges };
  },
  cytoscape() {
    const cytoscape = require("cytoscape");
    const cy = cytoscape({ headless: true, layout: { name: "preset" }, elements: JSON.parse(source).elements });
    const nodes = new Map(cy.nodes().map((n) => [n.id(), { ...clean(n.data()), x: text(n.position("x")), y: text(n.position("y")) }]));
    const edges = cy.edges().map((e) => [e.source().id(), e.target().id(), clean(e.data())]);
    return { nodes, edges };
  },
};

const { nodes, edges } = await readers[reader]();
// A plain object would lose a node that is called __proto__.
const members = [...nodes].map(([k, v]) => JSON.stringify(k) + ":" + JSON.stringify(v));
process.stdout.write(`{"nodes":{${members.join(",")}},"edges":${JSON.stringify(edges)}}`);
