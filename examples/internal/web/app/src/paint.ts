// Painting of the layer that does not depend on the pointer: discs, links, dots and marks.

import { CLASSES, type Net, seeds } from "./net";
import { dots, edgeAlpha, EDGE_BUDGET, markRadius, rank } from "./lod";
import type { Context } from "./surface";
import type { Theme } from "./theme";

/** Where a point of the network is on the screen: x·k + dx, in CSS pixels. */
export interface View {
  k: number;
  dx: number;
  dy: number;
}

export type Unnamed = "show" | "combine" | "hide";

/** What to paint. */
export interface Scene {
  net: Net;
  theme: Theme;
  unnamed: Unnamed;
  mutualOnly: boolean;
  /** The scale at which everything fits. */
  fit: number;
  /** The most links to draw. */
  budget: number;
  /** Opacity of domains that come or go, by index; without it all are there. */
  alpha?: Float32Array;
}

/** How far links bend towards the middle, so that those of one direction run together. */
const BEND = 0.14;

/** paint draws the network into a rectangle of that size. */
export function paint(c: Context, s: Scene, v: View, width: number, height: number): void {
  c.globalAlpha = 1;
  c.fillStyle = s.theme.ground;
  c.fillRect(0, 0, width, height);
  const visible = inView(s.net, v, width, height);
  if (s.unnamed === "show") paintDiscs(c, s, v, visible);
  paintLinks(c, s, v, width, height);
  if (s.unnamed === "show") paintDots(c, s, v, visible);
  paintMarks(c, s, v, visible);
  c.globalAlpha = 1;
}

/** inView lists the domains whose disc can be seen, by class. */
export function inView(net: Net, v: View, width: number, height: number): number[][] {
  const out: number[][] = Array.from({ length: CLASSES }, () => []);
  for (let i = 0; i < net.names.length; i++) {
    const x = net.x[i] * v.k + v.dx;
    const y = net.y[i] * v.k + v.dy;
    const r = Math.max(net.r[i] * v.k, 12);
    if (x > -r && y > -r && x < width + r && y < height + r) out[net.classes[i]].push(i);
  }
  return out;
}

function present(s: Scene, i: number): number {
  return s.alpha ? s.alpha[i] : 1;
}

function paintDiscs(c: Context, s: Scene, v: View, visible: number[][]): void {
  const { net, theme } = s;
  const tint = theme.tint * dots(v.k).tint;
  visible.forEach((domains, cls) => {
    c.fillStyle = theme.classes[cls];
    for (const i of domains) {
      if (net.counts[i] === 0 || net.r[i] * v.k < 2) continue;
      c.globalAlpha = tint * present(s, i);
      c.beginPath();
      c.arc(net.x[i] * v.k + v.dx, net.y[i] * v.k + v.dy, net.r[i] * v.k, 0, 7);
      c.fill();
    }
  });
}

/** paintDots draws the unnamed peers: squares while they are too small to tell, discs once one is close. */
function paintDots(c: Context, s: Scene, v: View, visible: number[][]): void {
  const { net, theme } = s;
  const d = dots(v.k);
  if (d.size === 0) return;
  visible.forEach((domains, cls) => {
    c.fillStyle = theme.classes[cls];
    for (const i of domains) {
      if (net.counts[i] === 0) continue;
      c.globalAlpha = theme.dots * present(s, i);
      if (d.round) roundDots(c, net, v, i, d.size / 2);
      else squareDots(c, net, v, i, d.size);
    }
  });
}

/** How many dots are filled as one path, which is faster than each for itself, and than all at once. */
const DOTS = 100;

function squareDots(c: Context, net: Net, v: View, i: number, size: number): void {
  const { x, y } = seeds(net.counts[i]);
  const x0 = net.x[i] * v.k + v.dx - size / 2;
  const y0 = net.y[i] * v.k + v.dy - size / 2;
  for (let from = 0; from < net.counts[i]; from += DOTS) {
    c.beginPath();
    for (let k = from; k < Math.min(net.counts[i], from + DOTS); k++) c.rect(x0 + x[k] * v.k, y0 + y[k] * v.k, size, size);
    c.fill();
  }
}

function roundDots(c: Context, net: Net, v: View, i: number, r: number): void {
  const { x, y } = seeds(net.counts[i]);
  const x0 = net.x[i] * v.k + v.dx;
  const y0 = net.y[i] * v.k + v.dy;
  const w = c.canvas.width;
  const h = c.canvas.height;
  c.beginPath();
  for (let k = 0; k < net.counts[i]; k++) {
    const px = x0 + x[k] * v.k;
    const py = y0 + y[k] * v.k;
    if (px < -r || py < -r || px > w + r || py > h + r) continue;
    c.moveTo(px + r, py);
    c.arc(px, py, r, 0, 7);
  }
  c.fill();
}

/** paintDisc draws the unnamed peers of one domain in the colour of what is pointed at. */
export function paintDisc(c: Context, net: Net, theme: Theme, v: View, i: number, alpha: number): void {
  const d = dots(v.k);
  c.fillStyle = theme.lit;
  c.globalAlpha = alpha * theme.tint * d.tint;
  c.beginPath();
  c.arc(net.x[i] * v.k + v.dx, net.y[i] * v.k + v.dy, net.r[i] * v.k, 0, 7);
  c.fill();
  c.globalAlpha = alpha * theme.dots;
  if (d.round) roundDots(c, net, v, i, d.size / 2);
  else if (d.size > 0) squareDots(c, net, v, i, d.size);
}

const ranks = new WeakMap<Net, Uint32Array>();

/** ranked lists links so that the first ones say the most; only a network with too many of them needs that. */
function ranked(net: Net): Uint32Array | undefined {
  if (net.mutual.length <= EDGE_BUDGET) return undefined;
  let order = ranks.get(net);
  if (!order) ranks.set(net, (order = rank(net.ends, net.degree)));
  return order;
}

function paintLinks(c: Context, s: Scene, v: View, width: number, height: number): void {
  const { net, theme } = s;
  const alpha = edgeAlpha(net.mutual.length, v.k / s.fit) * theme.edges;
  const batches = batchLinks(s, v, width, height);
  const few = batches.reduce((n, b) => n + b.length, 0) < FEW_LINKS;
  c.lineCap = "butt";
  for (let cls = 0; cls < CLASSES; cls++) {
    c.strokeStyle = theme.classes[cls];
    for (const mutual of [0, 1]) {
      const links = batches[2 * cls + mutual];
      if (links.length === 0) continue;
      c.globalAlpha = Math.min(0.8, mutual ? alpha * 1.6 : alpha);
      c.lineWidth = mutual && few ? 1.4 : hairline(c);
      c.setLineDash(mutual ? [] : DASH);
      strokeLinks(c, net, v, links, s.alpha);
    }
  }
  c.setLineDash([]);
}

/** Up to here links may be wider than a hairline. */
const FEW_LINKS = 250;

/** hairline is the width of one pixel of the screen. Without a GPU, Chromium draws wider lines, dashed ones above all, ten times slower. */
export function hairline(c: Context): number {
  return 1 / c.getTransform().a;
}

/** The stroke of a link that only one side reports. */
export const DASH = [3, 3];

/** batchLinks sorts those links that cross the rectangle by colour, which is that of the end with fewer links, and by kind. */
function batchLinks(s: Scene, v: View, width: number, height: number): number[][] {
  const { net } = s;
  const out: number[][] = Array.from({ length: 2 * CLASSES }, () => []);
  const order = ranked(net);
  let left = s.budget;
  for (let p = 0; p < net.mutual.length && left > 0; p++) {
    const e = order ? order[p] : p;
    if (s.mutualOnly && !net.mutual[e]) continue;
    const a = net.ends[2 * e];
    const b = net.ends[2 * e + 1];
    const ax = net.x[a] * v.k + v.dx;
    const bx = net.x[b] * v.k + v.dx;
    if ((ax < 0 && bx < 0) || (ax > width && bx > width)) continue;
    const ay = net.y[a] * v.k + v.dy;
    const by = net.y[b] * v.k + v.dy;
    if ((ay < 0 && by < 0) || (ay > height && by > height)) continue;
    out[2 * Math.min(net.classes[a], net.classes[b]) + net.mutual[e]].push(e);
    left--;
  }
  return out;
}

/** How many links are stroked as one path: Chromium's own renderer slows down on longer ones. */
const CHUNK = 32;

function strokeLinks(c: Context, net: Net, v: View, links: number[], alpha?: Float32Array): void {
  const full = c.globalAlpha;
  for (let p = 0; p < links.length; p += CHUNK) {
    c.beginPath();
    for (let q = p; q < Math.min(links.length, p + CHUNK); q++) traceLink(c, net, v, links[q]);
    if (alpha) c.globalAlpha = full;
    c.stroke();
  }
}

/** traceLink adds a link to the path: straight on, bent a little towards the middle of the network. */
export function traceLink(c: Context, net: Net, v: View, e: number): void {
  const a = net.ends[2 * e];
  const b = net.ends[2 * e + 1];
  const mx = ((net.x[a] + net.x[b]) / 2) * (1 - BEND);
  const my = ((net.y[a] + net.y[b]) / 2) * (1 - BEND);
  c.moveTo(net.x[a] * v.k + v.dx, net.y[a] * v.k + v.dy);
  c.quadraticCurveTo(mx * v.k + v.dx, my * v.k + v.dy, net.x[b] * v.k + v.dx, net.y[b] * v.k + v.dy);
}

/** Up to this radius a mark is a square without a rim: nobody sees the difference, and thousands of them cost little. */
const TINY = 1.6;

function paintMarks(c: Context, s: Scene, v: View, visible: number[][]): void {
  const { net, theme } = s;
  visible.forEach((domains, cls) => {
    const large = domains.filter((i) => s.alpha || markRadius(net.degree[i], v.k) > TINY);
    if (large.length < domains.length) tinyMarks(c, s, v, domains, theme.classes[cls]);
    for (const i of large) {
      c.globalAlpha = present(s, i);
      paintMark(c, net, theme, v, i, theme.classes[cls], 0);
    }
  });
}

function tinyMarks(c: Context, s: Scene, v: View, domains: number[], colour: string): void {
  const { net } = s;
  c.globalAlpha = 0.9;
  c.fillStyle = colour;
  let n = 0;
  c.beginPath();
  for (const i of domains) {
    const r = markRadius(net.degree[i], v.k) * 0.9;
    if (r > TINY * 0.9) continue;
    c.rect(net.x[i] * v.k + v.dx - r, net.y[i] * v.k + v.dy - r, 2 * r, 2 * r);
    if (++n % DOTS > 0) continue;
    c.fill();
    c.beginPath();
  }
  c.fill();
}

const TURN = 2 * Math.PI;

/** paintMark draws a domain: full where it reports, a ring where others only name it. */
export function paintMark(c: Context, net: Net, theme: Theme, v: View, i: number, colour: string, grow: number): void {
  const x = net.x[i] * v.k + v.dx;
  const y = net.y[i] * v.k + v.dy;
  const r = markRadius(net.degree[i], v.k) + grow;
  const rim = r > 2.5 ? 1.2 : 0.4;
  c.fillStyle = theme.ground;
  c.beginPath();
  c.arc(x, y, r + rim, 0, 7);
  c.fill();
  c.fillStyle = colour;
  c.beginPath();
  c.arc(x, y, r, 0, TURN);
  if (!net.reports[i] && r > 2) {
    // Without a step from one circle to the other there would be a gap in the ring.
    c.moveTo(x + r * 0.5, y);
    c.arc(x, y, r * 0.5, 0, TURN, true);
  }
  c.fill();
}
