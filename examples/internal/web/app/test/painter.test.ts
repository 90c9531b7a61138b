import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { build, type Link, type Node } from "../src/net";
import type { Answer, Look } from "../src/orders";
import { Painter } from "../src/painter";
import { LIGHT } from "../src/theme";

/** A circle that was filled, and in which colour. */
interface Circle {
  x: number;
  y: number;
  colour: string;
}

let circles: Circle[] = [];

/** pen notes circles, and takes everything else as it comes. */
function pen(): unknown {
  const own = {
    fillStyle: "",
    measureText: (text: string) => ({ width: text.length }),
    getTransform: () => ({ a: 1 }),
    arc: (x: number, y: number) => circles.push({ x, y, colour: own.fillStyle }),
  };
  return new Proxy(own, { get: (o, k) => Reflect.get(o, k) ?? (() => {}), set: (o, k, v) => Reflect.set(o, k, v) });
}

class Canvas {
  width = 0;
  height = 0;
  getContext = (): unknown => (this.c ??= pen());
  private c?: unknown;
}

let frames: (() => void)[] = [];
let now = 0;
Object.assign(globalThis, { OffscreenCanvas: Canvas, OffscreenCanvasRenderingContext2D: Object, requestAnimationFrame: (f: () => void) => frames.push(f) });
mock.method(performance, "now", () => now);

/** frame draws once, and returns what it drew. */
function frame(): Circle[] {
  circles = [];
  for (const f of frames.splice(0)) f();
  return circles;
}

const node = (name: string, x: number): Node => ({ name, label: name, count: 0, reports: true, x, y: 0, r: 12 });
const links: Link[] = [{ a: 0, b: 1, mutual: true }];
const text = JSON.stringify({
  format: "xmppgraph/1", version: 1, at: 0, named: 2, reporting: 2, unnamed: 0, links: 1, names: ["a.test", "b.test"], labels: {}, counts: [0, 0], reports: [1, 1],
  x: [-100, 100], y: [0, 0], r: [12, 12], edges: [0, 1, 1], mutual: "1",
});
const look = (lit: number): Look => ({ camera: { k: 1, dx: 400, dy: 300 }, moving: false, fit: 1, covered: 0, lit, dark: false, still: false, unnamed: "show", mutualOnly: false });
const insets = { top: 0, right: 0, bottom: 0, left: 0 };

/** begun is a painter that has drawn its first picture, with what it said. */
function begun(): { painter: Painter; said: Answer[] } {
  const said: Answer[] = [];
  const painter = new Painter((a) => said.push(a));
  painter.take({ kind: "text", text });
  painter.take({ kind: "canvas", canvas: new Canvas() as unknown as OffscreenCanvas });
  painter.take({ kind: "open", opening: { frame: { width: 800, height: 600, ratio: 1 }, insets, dark: false, still: false, unnamed: "show", mutualOnly: false } });
  assert.ok(frame().length >= 4, "two marks with their rims");
  return { painter, said };
}

test("the first picture is told once it had time to reach the screen", () => {
  const { said } = begun();
  frame();
  assert.equal(said.length, 0);
  frame();
  assert.deepEqual(said.map((a) => a.kind), ["drawn"]);
});

test("what doesn't hold a network is told", () => {
  const said: Answer[] = [];
  new Painter((a) => said.push(a)).take({ kind: "text", text: "{}" });
  assert.equal(said[0].kind, "failed");
});

test("what is lit is where the frame shows it, also while the network moves", () => {
  const { painter } = begun();
  frame();
  painter.take({ kind: "look", look: look(0) });
  frame();
  painter.take({ kind: "net", net: build(2, 1, [node("a.test", -300), node("b.test", 100)], links), smooth: true });
  painter.take({ kind: "look", look: look(0) });
  const seen: number[] = [];
  for (const at of [0, 200, 500, 690]) {
    now = at;
    const drawn = frame();
    const lit = drawn.filter((c) => c.colour === LIGHT.lit);
    assert.ok(lit.length > 0, "it is lit");
    for (const c of lit) assert.ok(drawn.some((o) => o.colour !== LIGHT.lit && o.colour !== LIGHT.ground && o.x === c.x), `there is a mark of the picture below ${c.x} at ${at} ms`);
    seen.push(lit[0].x);
  }
  assert.ok(seen[0] > seen[1] && seen[1] > seen[2] && seen[2] > seen[3], `it moves with the picture: ${seen}`);
  assert.equal(seen[0], 300, "from where it was");
});
