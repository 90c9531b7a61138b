import assert from "node:assert/strict";
import { test } from "node:test";
import { apply, type Changes, summary } from "../src/changes";
import { build, find, type Net, type Node } from "../src/net";

const node = (name: string, count = 0): Node => ({ name, label: name, count, reports: true, x: 0, y: 0, r: 8 });

function network(): Net {
  return build(1, 100, [node("a.test", 5), node("b.test"), node("c.test")], [{ a: 0, b: 1, mutual: false }, { a: 1, b: 2, mutual: true }]);
}

const changes = (events: Changes["events"], more: Partial<Changes> = {}): Changes => ({ from: 1, to: 2, at: "2026-01-01T00:00:00Z", events, ...more });

const pairs = (net: Net) => Array.from({ length: net.mutual.length }, (_, e) => `${net.names[net.ends[2 * e]]} ${net.names[net.ends[2 * e + 1]]} ${net.mutual[e]}`);

test("a domain joins with its place, and a link to it", () => {
  const net = apply(network(), changes([
    { kind: "joined", domain: { name: "aa.test", reporting: true, unnamed: 3, x: 1, y: 2, r: 9 } },
    { kind: "linked", link: { a: "aa.test", b: "c.test", state: "one-sided" } },
  ]))!;
  assert.equal(net.version, 2);
  assert.deepEqual(net.names, ["a.test", "aa.test", "b.test", "c.test"]);
  assert.equal(net.counts[find(net, "aa.test")], 3);
  assert.deepEqual(pairs(net), ["a.test b.test 0", "aa.test c.test 0", "b.test c.test 1"]);
});

test("who leaves takes the links along", () => {
  const net = apply(network(), changes([{ kind: "renounced", index: 1 }]))!;
  assert.deepEqual(net.names, ["a.test", "c.test"]);
  assert.deepEqual(pairs(net), []);
});

test("indexes are those from before the changes", () => {
  const joined = { kind: "joined", domain: { name: "aa.test", x: 1, y: 2, r: 9 } };
  const net = apply(network(), changes([{ kind: "left", index: 0 }, { kind: "renounced", index: 2 }, joined], { counts: { domains: 2, links: 0 } }))!;
  assert.deepEqual(net.names, ["aa.test", "b.test"]);
});

test("links come, change and go", () => {
  const net = apply(network(), changes([
    { kind: "changed", link: { a: "a.test", b: "b.test", state: "mutual" } },
    { kind: "unlinked", link: { a: "b.test", b: "c.test" } },
  ]))!;
  assert.deepEqual(pairs(net), ["a.test b.test 1"]);
});

test("a change keeps the place, and moves give another", () => {
  const net = apply(network(), changes([{ kind: "changed", domain: { name: "a.test", reporting: true, unnamed: 0 } }], { moved: { "b.test": [7, 8, 9] } }))!;
  assert.equal(net.counts[0], 0);
  assert.equal(net.r[0], 8);
  assert.deepEqual([net.x[1], net.y[1], net.r[1]], [7, 8, 9]);
});

test("what doesn't fit is refused", () => {
  assert.equal(apply(network(), { ...changes([]), from: 5 }), undefined);
  assert.equal(apply(network(), changes([{ kind: "joined", domain: { name: "z.test" } }])), undefined, "no place");
  assert.equal(apply(network(), changes([{ kind: "left", index: 3 }])), undefined, "nobody there");
  assert.equal(apply(network(), changes([{ kind: "left" }])), undefined, "nobody at all");
  assert.equal(apply(network(), changes([], { counts: { domains: 4, links: 2 } })), undefined, "another number of domains");
  assert.equal(apply(network(), changes([], { counts: { domains: 3, links: 1 } })), undefined, "another number of links");
});

test("changes are told in words", () => {
  assert.equal(summary([{ kind: "joined", domain: { name: "a.test" } }]), "a.test joined");
  assert.equal(summary([{ kind: "left", index: 0 }, { kind: "renounced", index: 1 }]), "2 domains left");
  assert.equal(summary([{ kind: "linked", link: { a: "a", b: "b" } }]), "");
});
