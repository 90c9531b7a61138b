import assert from "node:assert/strict";
import { test } from "node:test";
import { adjacency, bounds, byWeight, classify, type Compact, decode, decodeEdges, find, neighbours, seeds } from "../src/net";

// The example of graph/export's comment on the format.
const example: Compact = {
  format: "xmppgraph/1", version: 7, at: 1767225600, named: 2, reporting: 1, unnamed: 2, links: 1,
  names: ["a.example", "xn--bcher-kva.example"], labels: { "1": "bücher.example" },
  counts: [2, 0], reports: [1, 0], x: [0, 12.5], y: [3, -4], r: [9.8, 8], edges: [0, 1, 1], mutual: "0",
};

test("decodes the example of the format", () => {
  const net = decode(example);
  assert.equal(net.version, 7);
  assert.deepEqual(net.labels, ["a.example", "bücher.example"]);
  assert.deepEqual([...net.ends], [0, 1]);
  assert.deepEqual([...net.degree], [1, 1]);
  assert.equal(net.unnamed, 2);
  assert.equal(net.reporting, 1);
  assert.equal(find(net, "Bücher.example."), 1);
  assert.equal(find(net, "xn--bcher-kva.example"), 1);
  assert.equal(find(net, "nobody.example"), -1);
});

test("expands the differences of links", () => {
  // 0–1, 0–3, 2–3, 2–4
  const { ends, links } = decodeEdges([0, 2, 1, 2, 2, 2, 1, 1], 5);
  assert.equal(links, 4);
  assert.deepEqual([...ends], [0, 1, 0, 3, 2, 3, 2, 4]);
});

for (const [name, wrong] of Object.entries({
  "another format": { format: "xmppgraph/2" },
  "a short column": { counts: [1] },
  "no places": { x: undefined },
  "a link out of the network": { edges: [0, 1, 2] },
  "a link to itself": { edges: [0, 1, 0] },
  "a link cut short": { edges: [0, 2, 1] },
  "too few marks": { mutual: "" },
})) {
  test(`refuses ${name}`, () => assert.throws(() => decode({ ...example, ...wrong })));
}

test("an empty network has bounds", () => {
  const net = decode({ ...example, names: [], labels: {}, counts: [], reports: [], x: [], y: [], r: [], edges: [], mutual: "" });
  const b = bounds(net);
  assert.ok(b.x1 > b.x0 && b.y1 > b.y0);
});

test("neighbours are found from both ends", () => {
  const net = decode(example);
  assert.deepEqual([...neighbours(net, 0)], [1]);
  assert.deepEqual([...neighbours(net, 1)], [0]);
  assert.deepEqual([...adjacency(net).link], [0, 0]);
  assert.deepEqual([...byWeight(net)], [0, 1]);
});

test("classes go by the square root of the links", () => {
  assert.deepEqual([...classify(Uint32Array.of(0, 1, 25, 100))], [0, 0, 2, 4]);
  assert.deepEqual([...classify(Uint32Array.of(0, 0))], [0, 0]);
});

test("seeds are where graph/layout puts them", () => {
  const { x, y } = seeds(3);
  assert.ok(Math.abs(x[0] - 8) < 1e-4 && Math.abs(y[0]) < 1e-4);
  assert.ok(Math.abs(Math.hypot(x[2], y[2]) - 4 * Math.sqrt(6)) < 1e-4);
});
