// The map in a frame on another site: the picture, which can be moved, and nothing around it.
// It draws on its own page, which has nothing else to do, and holds no stream open: many such frames may be looked at.

import { by } from "./dom";
import { frameOf } from "./frame";
import { listen } from "./keys";
import { build, byWeight, type Compact, decode, equal, find, type Net } from "./net";
import type { Channel } from "./orders";
import type { View } from "./paint";
import { Painter } from "./painter";
import { follow } from "./pointer";
import { Stage } from "./stage";
import { parse } from "./state";
import { around, same, spoken } from "./words";

const GRAPH = "/api/v1/graph";
/** How often the network is asked for again while somebody looks, in milliseconds. */
const PERIOD = 60_000;
/** After so many looks in vain nothing is shown any more: who has withdrawn meanwhile would be. */
const VAIN = 10;
const INSETS = { top: 14, right: 14, bottom: 14, left: 14 };

const state = parse(location.search);
const theme = new URLSearchParams(location.search).get("theme");
const prefers = matchMedia("(prefers-color-scheme: dark)");
const motionless = matchMedia("(prefers-reduced-motion: reduce)");
const dark = () => theme === "dark" || (theme !== "light" && prefers.matches);
const still = () => motionless.matches;

async function ask(): Promise<string> {
  const r = await fetch(state.at ? `${GRAPH}?at=${encodeURIComponent(state.at)}` : GRAPH, { cache: "no-cache" });
  if (!r.ok) throw new Error(`${GRAPH}: ${r.status}`);
  return r.text();
}

/** first has the first picture painted, and returns who painted it and through which camera. */
function first(canvas: HTMLCanvasElement, text: string): Promise<{ painter: Channel; camera: View }> {
  const { view, unnamed, mutualOnly } = state;
  return new Promise((done, fail) => {
    const inside = new Painter((a) => painter.hear(a));
    const painter: Channel = {
      send: (o) => inside.take(o),
      hear: (a) => {
        if (a.kind === "drawn") done({ painter, camera: a.camera });
        if (a.kind === "failed") fail(new Error(a.words));
      },
    };
    painter.send({ kind: "canvas", canvas });
    painter.send({ kind: "open", opening: { frame: frameOf(canvas), insets: INSETS, view, dark: dark(), still: still(), unnamed, mutualOnly } });
    painter.send({ kind: "text", text });
  });
}

/** polite leaves wheels and single fingers to the site around the frame, unless the visitor has gone into the picture or holds Control. */
function polite(canvas: HTMLCanvasElement): void {
  const inside = () => document.activeElement === canvas && document.hasFocus();
  const keep = (e: Event) => e.target === canvas && e.stopImmediatePropagation();
  addEventListener("wheel", (e) => !e.ctrlKey && !inside() && keep(e), { capture: true, passive: true });
  addEventListener("touchstart", (e) => e.touches.length === 1 && keep(e), { capture: true, passive: true });
}

/** visit opens the map itself, with a domain in focus. */
function visit(name: string): void {
  window.open("/?focus=" + encodeURIComponent(name), "_blank", "noopener");
}

function bind(stage: Stage): void {
  const { pilot, canvas } = stage;
  const over = (i: number) => {
    if (i === stage.hover) return;
    stage.hover = i;
    canvas.classList.toggle("over", i >= 0);
    stage.ask();
  };
  const cursor = (i: number) => {
    stage.cursor = i;
    stage.ask();
    if (i < 0) return;
    by("told").textContent = spoken(stage.net, i);
    stage.reveal(i);
  };
  const fit = () => pilot.fly(pilot.overview());
  follow(stage, over, (i) => i >= 0 && visit(stage.net.names[i]));
  listen(canvas, {
    current: () => (stage.cursor >= 0 ? stage.cursor : stage.focus),
    net: () => stage.net,
    first: () => byWeight(stage.net)[0] ?? -1,
    move: cursor,
    open: (i) => visit(stage.net.names[i]),
    escape: () => cursor(-1),
    zoom: (f) => pilot.zoomBy(f),
    fit,
    pan: (x, y) => pilot.panBy(x, y),
  });
  canvas.addEventListener("blur", () => cursor(-1));
  by("zoom-in").addEventListener("click", () => pilot.zoomBy(1.7));
  by("zoom-out").addEventListener("click", () => pilot.zoomBy(1 / 1.7));
  by("zoom-fit").addEventListener("click", fit);
  prefers.addEventListener("change", () => stage.ask());
  polite(canvas);
}

/** take shows a newer network, and keeps the eye and the keyboard where they are. */
function take(stage: Stage, net: Net): void {
  const before = stage.net;
  if (equal(before, net)) return;
  const cursor = same(before, stage.cursor, net);
  stage.show(net, true);
  stage.cursor = cursor;
  stage.focus = find(net, state.focus);
  by("wait").hidden = net.names.length > 0;
}

/** watch asks for the network now and then. A frame that nobody sees asks for nothing until it is seen. */
function watch(stage: Stage): void {
  let vain = 0;
  const look = async () => {
    if (document.hidden) return;
    try {
      take(stage, decode(JSON.parse(await ask()) as Compact));
      vain = 0;
    } catch {
      if (++vain === VAIN) take(stage, build(0, 0, [], []));
    }
  };
  setInterval(() => void look(), PERIOD);
  document.addEventListener("visibilitychange", () => void look());
}

async function start(): Promise<void> {
  const text = await ask();
  by("view").hidden = false;
  const canvas = by<HTMLCanvasElement>("picture");
  const { painter, camera } = await first(canvas, text);
  const net = decode(JSON.parse(text) as Compact);
  let home = true;
  const stage = new Stage(canvas, painter, net, dark, still, (byHand) => { home &&= !byHand; });
  Object.assign(stage, { unnamed: state.unnamed, mutualOnly: state.mutualOnly });
  const { pilot } = stage;
  pilot.insets = INSETS;
  stage.begin(camera);
  stage.focus = state.focus ? find(net, state.focus) : -1;
  const rest = () => (stage.focus < 0 ? pilot.overview() : pilot.boxed(around(stage.net, stage.focus), Math.max(1.1, pilot.fitScale)));
  if (stage.focus >= 0 && !state.view) pilot.jump(rest());
  bind(stage);
  new ResizeObserver(() => {
    if (stage.resize() && home && !state.view) pilot.jump(rest());
  }).observe(canvas);
  stage.ask();
  by("wait").hidden = net.names.length > 0;
  if (!state.at) watch(stage);
  performance.mark("ready");
}

start().catch((err: unknown) => {
  console.warn(err);
  by("wait").textContent = "The network could not be fetched.";
  by("wait").hidden = false;
});
