import assert from "node:assert/strict";
import { test } from "node:test";
import { press, type Actions } from "../src/keys";
import { Placer } from "../src/labels";
import { dots, edgeAlpha, fontSize, markRadius, maxLabels, rank } from "../src/lod";
import { ease, morph } from "../src/morph";
import { build, type Link, type Net, type Node } from "../src/net";
import { pick, towards } from "../src/pick";
import { matches } from "../src/search";
import { Parser } from "../src/sse";
import { format, parse } from "../src/state";
import { because, count, plural, safe } from "../src/text";
import { area, stamp } from "../src/timeline";
import { around, lead, spoken } from "../src/words";

const node = (name: string, x: number, y: number, n = 0): Node => ({ name, label: name, count: n, reports: n > 0, x, y, r: Math.max(12, 4 * Math.sqrt(n + 4)) });

function star(): Net {
  const nodes = [node("middle.test", 0, 0, 20), node("east.test", 100, 0), node("north.test", 0, -100), node("west.im", -100, 0), node("alone.test", 300, 300)];
  const links: Link[] = [{ a: 0, b: 1, mutual: true }, { a: 0, b: 2, mutual: false }, { a: 0, b: 3, mutual: false }];
  return build(1, 0, nodes, links);
}

test("labels never overlap", () => {
  const p = new Placer(400, 300);
  const wish = { x: 200, y: 150, r: 8, width: 80, height: 14, bold: false };
  const placed = Array.from({ length: 6 }, () => p.place(wish)).filter((g) => g !== undefined);
  assert.equal(placed.length, 4, "above, below, right and left");
  for (const [i, a] of placed.entries()) {
    for (const b of placed.slice(i + 1)) assert.ok(Math.abs(a.x - b.x) >= 80 || Math.abs(a.y - b.y) >= 14);
  }
});

test("a label stays off marks unless it stands out, and inside the picture", () => {
  const wish = { x: 200, y: 150, r: 4, width: 80, height: 14, bold: false };
  const p = new Placer(400, 300);
  p.mark(200, 139, 6);
  assert.ok(p.place(wish)!.y > 150, "below, since a mark is above");
  const other = new Placer(400, 300);
  other.mark(200, 139, 6);
  assert.ok(other.place({ ...wish, bold: true })!.y < 150);
  assert.equal(new Placer(50, 50).place(wish), undefined);
});

test("a label at a rim goes aside, as far as it stays by its mark", () => {
  const wish = { x: 380, y: 150, r: 4, width: 300, height: 14, bold: true };
  const right = new Placer(400, 300).place(wish)!;
  assert.deepEqual([right.x, right.y < 150], [400 - 152, true]);
  assert.equal(new Placer(400, 300).place({ ...wish, x: 20 })!.x, 152);
  assert.equal(new Placer(400, 300).place({ ...wish, x: 200 })!.x, 200);
  const below = new Placer(400, 300);
  below.block(0, 0, 400, 148);
  assert.deepEqual([below.place(wish)!.x, below.place(wish)], [400 - 152, undefined]);
  assert.equal(new Placer(290, 300).place({ ...wish, x: 200 }), undefined, "wider than the picture");
});

test("details come gradually", () => {
  assert.equal(dots(0.1).size, 0);
  assert.ok(dots(0.1).tint > dots(2).tint);
  let last = 0;
  for (let k = 0.5; k < 10; k += 0.1) {
    assert.ok(dots(k).size >= last);
    last = dots(k).size;
  }
  assert.ok(edgeAlpha(100, 1) > edgeAlpha(1000, 1) && edgeAlpha(1000, 1) > edgeAlpha(5000, 1));
  assert.ok(edgeAlpha(1000, 8) > edgeAlpha(1000, 1));
  assert.ok(markRadius(80, 1) > markRadius(1, 1));
  assert.ok(fontSize(1, 1, 1, 1280) > fontSize(0.1, 1, 1, 1280));
  assert.ok(maxLabels(360, 740) < maxLabels(1280, 800));
});

test("the first links of the ranking touch everybody who has one", () => {
  const ends: number[] = [];
  for (let i = 0; i < 30; i++) for (let j = i + 1; j < 30; j++) ends.push(i, j);
  const order = rank(Uint32Array.from(ends), new Uint32Array(30).fill(29));
  assert.deepEqual([...order].sort((a, b) => a - b), [...Array(435).keys()], "every link is there once");
  const touched = new Set(Array.from(order.slice(0, 30)).flatMap((e) => [ends[2 * e], ends[2 * e + 1]]));
  assert.equal(touched.size, 30);
  assert.equal(rank(new Uint32Array(0), new Uint32Array(3)).length, 0);
});

test("morphs move, fade in and fade out", () => {
  const m = morph(star(), build(2, 0, [node("east.test", 200, 0), node("new.test", 5, 5)], []));
  assert.deepEqual(m.net.names, ["east.test", "new.test", "middle.test", "north.test", "west.im", "alone.test"]);
  assert.equal(m.net.x[0], 100);
  assert.deepEqual([m.alpha[1], m.alpha[2]], [0, 1]);
  m.step(1);
  assert.equal(m.net.x[0], 200);
  assert.deepEqual([m.alpha[1], m.alpha[2]], [1, 0]);
  assert.equal(ease(0.5), 0.5);
  assert.equal(ease(-3), 0);
});

test("picking prefers a mark, and falls back to the disc", () => {
  const net = star();
  assert.equal(pick(net, 98, 3, 12, true), 1);
  assert.equal(pick(net, 10, 14, 6, true), 0, "within the disc of the middle");
  assert.equal(pick(net, 10, 14, 6, false), -1);
  assert.equal(pick(net, 200, 200, 12, true), -1);
});

test("directions lead to who is there", () => {
  const net = star();
  assert.equal(towards(net, 0, [1, 2, 3], 1, 0), 1);
  assert.equal(towards(net, 0, [1, 2, 3], 0, -1), 2);
  assert.equal(towards(net, 0, [1, 2, 3], 0, 1), -1);
});

test("search finds by what names begin with", () => {
  const net = star();
  const names = (q: string) => matches(net, q).map((i) => net.names[i]);
  assert.equal(names("m")[0], "middle.test");
  assert.equal(names("im")[0], "west.im");
  assert.equal(names("").length, 5);
  assert.equal(names("test")[0], "middle.test");
  assert.deepEqual(names("zzz"), []);
});

test("the address keeps the state, and the old parameters work", () => {
  assert.equal(format(parse("")), "");
  const s = parse("?focus=a.test&at=2026-01-01T00:00:00Z&unnamed=combine&mutual=1&view=1.5,-2,0.75");
  assert.deepEqual(s.view, { x: 1.5, y: -2, k: 0.75 });
  assert.deepEqual(parse(format(s)), s);
  assert.equal(parse("?skipAnon").unnamed, "hide");
  assert.equal(parse("?combineAnon=true").unnamed, "combine");
  assert.equal(parse("?skipAnon=false").unnamed, "show");
  assert.equal(parse("?at=yesterday").at, "");
  for (const v of ["", "1,2", "1,2,0", "1,2,-1", "NaN,1,1", "1e9,1,1", "a,b,c"]) assert.equal(parse("?view=" + v).view, undefined, v);
});

test("strangers' text is harmless", () => {
  assert.equal(safe("a\u202egnp.exe"), "a\ufffdgnp.exe");
  assert.equal(safe("pay\u200bpal"), "pay\ufffdpal");
  assert.equal(safe("bücher.example"), "bücher.example");
  assert.equal(safe("x".repeat(1000)).length, 120);
});

test("numbers are for people", () => {
  assert.equal(count(5671), "5,671");
  assert.equal(count(1234567), "1,234,567");
  assert.equal(plural(1, "link"), "1 link");
});

test("the network in honest words", () => {
  assert.equal(lead(star()).flat().join(""), "5 named domains3 links between them20 links to domains that stay unnamed");
  assert.equal(spoken(star(), 0), "middle.test: 3 links, 1 reported by both ends, 20 unnamed");
  assert.equal(spoken(star(), 1), "east.test, named by others: 1 link, 1 reported by both ends");
  assert.ok(around(star(), 0).x1 >= 100);
});

test("the curve behind the slider", () => {
  assert.deepEqual(area([0, 5, 10], [0, 50, 100], 200, 10), [0, 10, 100, 5, 200, 0]);
  assert.equal(stamp(Date.UTC(2026, 0, 1, 0, 0, 0, 400)), "2026-01-01T00:00:00Z");
});

test("event streams in pieces", () => {
  const p = new Parser();
  assert.deepEqual(p.push(":hello\n\nevent: step\nda"), []);
  assert.deepEqual(p.push('ta: {"a":1}\n\nevent: result\ndata: x\ndata: y\n\n'), [{ name: "step", data: '{"a":1}' }, { name: "result", data: "x\ny" }]);
  assert.throws(() => p.push("x".repeat(2 << 20)));
});

test("keys do what a pointer can", () => {
  const log: string[] = [];
  const net = star();
  let at = -1;
  const a: Actions = {
    current: () => at, net: () => net, first: () => 0,
    move: (i) => { at = i; log.push("move " + net.names[i]); },
    open: (i) => log.push("open " + net.names[i]),
    escape: () => log.push("escape"), zoom: (f) => log.push(f > 1 ? "in" : "out"), fit: () => log.push("fit"), pan: (x, y) => log.push(`pan ${x + 0} ${y + 0}`),
  };
  const keys: [string, boolean?][] = [["Enter"], ["ArrowRight"], ["ArrowRight"], ["Enter"], ["+"], ["-"], ["0"], ["ArrowUp", true], ["Escape"]];
  for (const [key, shift] of keys) press(key, Boolean(shift), a);
  assert.deepEqual(log, ["move middle.test", "move east.test", "open east.test", "in", "out", "fit", "pan 0 120", "escape"]);
  assert.equal(press("x", false, a), false);
});

test("why a domain is shown is said in a sentence, whatever the server knows", () => {
  assert.match(because("advertised"), /^It advertises urn:xmpp:serverinfo:0 /);
  assert.match(because(), /^It advertises /);
  assert.match(because("listed"), /^It is on a list of public providers/);
});
