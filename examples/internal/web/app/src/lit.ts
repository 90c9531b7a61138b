// A domain, its links and its neighbours, drawn on top of the dimmed rest.

import { Placer } from "./labels";
import { fontSize, markRadius } from "./lod";
import { adjacency, byWeight, neighbours, type Net, weight } from "./net";
import type { Frame } from "./orders";
import { DASH, hairline, paintDisc, paintMark, traceLink, type Unnamed, type View } from "./paint";
import type { Context } from "./surface";
import { count, plural } from "./text";
import type { Theme } from "./theme";
import { width as textWidth, write } from "./type";

/** What is lit, as the frame shows it. */
export interface Lit {
  /** The network where it is at the moment, also while it moves. */
  net: Net;
  /** Opacity of domains that come or go. */
  alpha?: Float32Array;
  theme: Theme;
  unnamed: Unnamed;
  mutualOnly: boolean;
  fit: number;
  view: View;
  frame: Frame;
  covered: number;
  /** How far the rest is dimmed, 0 to 1. */
  dim: number;
}

/** drawLit draws a domain and what belongs to it. */
export function drawLit(c: Context, s: Lit, i: number): void {
  const { net, theme, view, dim } = s;
  const there = (j: number) => dim * (s.alpha ? s.alpha[j] : 1);
  if (s.unnamed === "show" && net.counts[i] > 0) paintDisc(c, net, theme, view, i, there(i));
  links(c, s, i);
  const near = neighbours(net, i);
  for (const j of near) {
    c.globalAlpha = there(j);
    paintMark(c, net, theme, view, j, theme.classes[net.classes[j]], 0.6);
  }
  c.globalAlpha = there(i);
  paintMark(c, net, theme, view, i, theme.lit, 2);
  labels(c, s, i, near);
}

function links(c: Context, s: Lit, i: number): void {
  const { net } = s;
  const adj = adjacency(net);
  c.strokeStyle = s.theme.lit;
  const many = Math.min(1, 9 / Math.sqrt(net.degree[i] + 1));
  for (const mutual of [0, 1]) {
    c.globalAlpha = s.dim * (mutual ? 0.95 : 0.8) * Math.max(0.35, many);
    c.lineWidth = mutual ? 1.6 : hairline(c);
    c.setLineDash(mutual ? [] : DASH);
    for (let p = adj.from[i]; p < adj.from[i + 1]; p++) {
      if (net.mutual[adj.link[p]] !== mutual || (s.mutualOnly && !mutual)) continue;
      c.beginPath();
      traceLink(c, net, s.view, adj.link[p]);
      c.stroke();
    }
  }
  c.setLineDash([]);
}

function labels(c: Context, s: Lit, i: number, near: Uint32Array): void {
  const { net, theme, frame } = s;
  const { k, dx, dy } = s.view;
  c.globalAlpha = s.dim;
  // A panel at the right covers what is below it; the buttons there cover little.
  const placer = new Placer(frame.width - Math.max(0, s.covered - 70), frame.height);
  const most = weight(net, byWeight(net)[0]) || 1;
  const size = (j: number) => fontSize(weight(net, j) / most, k, s.fit, frame.width);
  const draw = (j: number, text: string, font: number, heavy: number, colour: string, gap = 0) => {
    const p = placer.place({
      x: net.x[j] * k + dx, y: net.y[j] * k + dy, r: markRadius(net.degree[j], k) + gap, width: textWidth(text, font, heavy), height: font * 1.15, bold: true,
    });
    if (p) write(c, text, { size: font, weight: heavy, colour, halo: theme.ground }, p.x, p.y);
  };
  draw(i, net.labels[i], Math.max(15, size(i) + 1), 700, theme.lit, 2);
  draw(i, facts(net, i), 12, 500, theme.text, 3);
  const order = Array.from(near).sort((a, b) => weight(net, b) - weight(net, a)).slice(0, 150);
  for (const j of order) draw(j, net.labels[j], size(j), 500, theme.text);
}

function facts(net: Net, i: number): string {
  const words = plural(net.degree[i], "link");
  return net.counts[i] > 0 ? `${words} · ${count(net.counts[i])} unnamed` : words;
}
